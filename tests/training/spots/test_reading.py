"""Tables as platforms write them: which columns, which rows, which places."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid
from morphinfer_training.spots.columns import Columns
from morphinfer_training.spots.reading import read_spots
from morphinfer_training.spots.transforms import world_origin_um
from morphinfer_training.spots.values import is_control

PIXEL_UM = 0.5


def read(path, **options):
    return read_spots(path, pixel_size_um=PIXEL_UM, **options)


def csv(path, header, *rows):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def places(spots):
    return list(zip(spots.col.tolist(), spots.row.tolist(), strict=True))


@pytest.fixture
def xenium(tmp_path):
    table = {
        "feature_name": ["A", "A", "NegControlProbe_7", "B", "B"],
        "x_location": [1.0, 2.0, 3.0, 4.0, 5.0],
        "y_location": [10.0, 20.0, 30.0, 40.0, 50.0],
        "qv": [40.0, 19.9, 40.0, 20.0, 40.0],
        "is_gene": [True, True, False, True, True],
        "codeword_category": ["predesigned_gene"] * 4 + ["genomic_control_probe"],
    }
    pq.write_table(pa.table(table), tmp_path / "transcripts.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("header", "um"),
    [
        ("target,CenterX_global_px,CenterY_global_px", 0.5), ("symbol,center_x,center_y", 0.5),
        ("Gene Name,X (px),Y (px)", 0.5), ("gene,xc,yc", 0.5), ("name,x [\u00b5m],y [\u03bcm]", 1.0),
        ("Gene,Centroid X \u00b5m,Centroid Y \u00b5m", 1.0),
    ],
)  # fmt: skip
def test_names_of_columns_are_known_with_blanks_and_units(tmp_path, header, um):
    spots = read(csv(tmp_path / "s.csv", header, "A,5,10"))
    assert places(spots) == [(5 * um / PIXEL_UM, 10 * um / PIXEL_UM)]


def test_millimetres_are_not_taken_for_pixels(tmp_path):
    with pytest.raises(SpotsError, match="'x_mm' seems to be in mm"):
        read(
            csv(tmp_path / "s.csv", "gene,x_mm,y_mm", "A,5,10"), columns=Columns(x="x_mm", y="y_mm")
        )


def test_low_qualities_and_controls_of_xenium_are_left_out_and_counted(xenium):
    spots = read(xenium)
    assert places(spots) == [(2, 20), (8, 80)]
    assert spots.left_out == {"controls": 2, "low quality": 1}
    assert "the table transcripts.parquet is taken" in spots.warnings[0]
    assert "2 of 5 rows are controls (B, NegControlProbe_7)" in spots.warnings[1]
    assert "1 of 5 rows have a quality (qv) below 20" in spots.warnings[2]
    assert len(read(xenium, min_qv=0)) == 3


def test_transcripts_of_xenium_are_read_from_zarr(tmp_path):
    root = zarr.open_group(tmp_path / "unpacked", mode="w", zarr_format=2)
    root.attrs["gene_names"] = ["A", "Blank-1", "B"]
    for square, genes in (("0,0", [0, 1]), ("1,0", [2, 2])):
        group = root.create_group(f"grids/0/{square}")
        arrays = {
            "gene_identity": np.array(genes, np.uint16)[:, None],
            "location": np.arange(6, dtype=np.float32).reshape(2, 3) + 10 * genes[0],
            "quality_score": np.full(2, 40, np.float32),
            "valid": np.array([[1], [genes[0] == 0]], np.uint8),
        }
        for name, values in arrays.items():
            group.create_array(name, shape=values.shape, dtype=values.dtype)[...] = values
    shutil.make_archive(str(tmp_path / "transcripts.zarr"), "zip", tmp_path / "unpacked")
    spots = read(tmp_path)
    assert spots.genes == ("A", "B")
    assert places(spots) == [(0, 2), (40, 42)]
    assert any("1 of 4 transcripts are marked as not valid" in text for text in spots.warnings)


MERSCOPE = "barcode_id,global_x,global_y,x,y,fov,gene"


def test_merscope_has_global_coordinates_and_a_transformation_beside_it(tmp_path):
    path = csv(tmp_path / "detected_transcripts.csv", f",{MERSCOPE}", "0,1,10,20,7,8,0,A")
    spots = read(tmp_path)
    assert places(spots) == [(20, 40)]
    assert any("'x' and 'y' are places in a field of view" in text for text in spots.warnings)
    assert any("no micron_to_mosaic_pixel_transform.csv" in text for text in spots.warnings)
    (tmp_path / "images").mkdir()
    matrix = tmp_path / "images" / "micron_to_mosaic_pixel_transform.csv"
    matrix.write_text("2.0 0.0 100.0\n0.0 2.0 -5.0\n0.0 0.0 1.0\n")
    assert places(read(path)) == [(120, 35)]
    matrix.write_text(
        "8.0 0.0 400.0\n0.0 8.0 -20.0\n0.0 0.0 1.0\n"
    )  # the slide is the mosaic shrunk
    spots = read(path)
    assert places(spots) == [(120 - 0.375, 35 - 0.375)]
    assert any("the slide is taken for the mosaic resized" in text for text in spots.warnings)


COSMX = "fov,cell_ID,x_global_px,y_global_px,x_local_px,y_local_px,z,target,CellComp"


def test_cosmx_counts_from_its_fields_of_view(tmp_path):
    path = csv(
        tmp_path / "s_tx_file.csv", COSMX, "2,0,510,-1990,10,10,0,A,0", "2,0,5,5,5,5,0,NegPrb1,0"
    )
    assert places(read(path)) == [(510, -1990)]
    csv(
        tmp_path / "s_fov_positions_file.csv",
        "fov,x_global_px,y_global_px",
        "2,500,-2000",
        "3,400,-1900",
    )
    spots = read(tmp_path)
    assert places(spots) == [(110, 10)]
    assert any("y runs upwards" in text for text in spots.warnings)
    local = csv(tmp_path / "t.csv", "fov,x_local_px,y_local_px,target", "3,1,2,A", "2,10,10,A")
    assert places(read(local)) == [(1, 102), (110, 10)]


def test_local_places_without_the_places_of_the_fields_are_refused(tmp_path):
    path = csv(tmp_path / "t.csv", "fov,x_local_px,y_local_px,target", "3,1,2,A")
    with pytest.raises(SpotsError, match="no fov_positions_file"):
        read(path)


def test_stereo_seq_counts_are_weights_and_an_offset_is_named(tmp_path):
    path = tmp_path / "spots.gem"
    path.write_text(
        "#FileFormat=GEMv0.1\n#OffsetX=12\n#OffsetY=0\ngeneID\tx\ty\tMIDCounts\nA\t1\t2\t3\n"
    )
    spots = read(path)
    assert spots.weight.tolist() == [3]
    assert "offset 12, 0, which is not added" in spots.warnings[0]


@pytest.mark.parametrize("version", [2, 3])
def test_points_of_spatialdata_are_transformed_to_the_global_system(tmp_path, version):
    element = tmp_path / "store.zarr" / "points" / "transcripts"
    (element / "points.parquet").mkdir(parents=True)
    table = pa.table({"x": [1.0], "y": [2.0], "feature_name": ["A"]})
    pq.write_table(table, element / "points.parquet" / "part.0.parquet")
    axes = {"axes": [{"name": "x"}, {"name": "y"}]}
    scale, move = (
        {"type": "scale", "scale": [4.0, 3.0], "input": axes},
        {"type": "translation", "translation": [1.0, 2.0]},
    )
    whole = {"type": "sequence", "transformations": [scale, move], "input": axes,
             "output": {"name": "global"}}  # fmt: skip
    attributes = {"encoding-type": "ngff:points", "coordinateTransformations": [whole]}
    name = ".zattrs" if version == 2 else "zarr.json"
    content = attributes if version == 2 else {"zarr_format": 3, "attributes": attributes}
    (element / name).write_text(json.dumps(content))
    for path in (tmp_path / "store.zarr", element, element / "points.parquet"):
        assert places(read(path)) == [(5, 8)]
    whole.update(type="affine", affine=[[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]])
    (element / name).write_text(json.dumps(content))
    assert places(read(element)) == [(5, 3)]
    whole.update(output={"name": "global", "axes": [{"name": n} for n in "zyx"]},
                 affine=[[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 2.0, 1.0]])  # fmt: skip
    (element / name).write_text(json.dumps(content))
    assert places(read(element)) == [(5, 3)]  # rows are those of the axes of the system


def test_visium_is_named(tmp_path):
    (tmp_path / "binned_outputs").mkdir()
    with pytest.raises(SpotsError, match="is a folder of Visium"):
        read(tmp_path)


def test_two_pairs_of_coordinates_must_agree(tmp_path):
    header = "gene,x,y,x_um,y_um"
    rows = [f"A,{k},{2 * k},{k * PIXEL_UM},{2 * k * PIXEL_UM}" for k in range(50)]
    assert places(read(csv(tmp_path / "same.csv", header, *rows)))[3] == (3, 6)
    other = csv(tmp_path / "other.csv", header, *(f"A,{k},{k},{k},{k}" for k in range(50)))
    with pytest.raises(SpotsError, match=r"'x', 'y' \(pixels\) and 'x_um', 'y_um' \(micro"):
        read(other)
    assert places(read(other, columns=Columns(x="x_um", y="y_um")))[3] == (6, 6)
    assert places(read(other, unit="pixel"))[3] == (3, 3)


def test_micrometres_are_world_coordinates_of_a_slide_with_a_translation(tmp_path):
    path = csv(tmp_path / "s.csv", "gene,x_um,y_um", "A,13,6.5")
    grid = PixelGrid((10, 10), PIXEL_UM, (6.5 - PIXEL_UM / 2, 13 - PIXEL_UM / 2))
    spots = read(path, origin_um=world_origin_um(grid))
    assert places(spots) == [(0, 0)]
    assert "whose pixel (0, 0) lies at x 13 and y 6.5" in spots.warnings[0]
    assert world_origin_um(PixelGrid((10, 10), PIXEL_UM, (0.0, 0.0))) == (0.0, 0.0)


def test_a_transformation_and_a_shift_are_applied(tmp_path):
    path = csv(tmp_path / "s.csv", "gene,x_um,y_um", "A,3,4")
    assert places(read(path, transform="0,2,1,3,0,0")) == [(9, 9)]
    assert places(read(path, transform="0,2,1,3,0,0", shift=(-1.0, 2.0))) == [(8, 11)]
    assert places(read(path, shift=(-1.0, 2.0))) == [(5, 10)]
    (tmp_path / "m.csv").write_text("0,2,1\n3,0,0\n0,0,1\n")
    assert places(read(path, transform=tmp_path / "m.csv")) == [(9, 9)]
    (tmp_path / "a.csv").write_text("2,0,10\n0,2,20\n0,0,1\n")  # from the slide to pixels of Xenium
    assert np.allclose(
        places(read(path, transform=f"alignment:{tmp_path / 'a.csv'}")),
        [((3 / 0.2125 - 10) / 2, (4 / 0.2125 - 20) / 2)],
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "has 3 numbers; it needs the six"),
        ("1,2,0,2,4,0", "cannot be inverted"),
        ("none.csv", "cannot be read"),
        ("1,0,0,0,1,nan", "cannot be inverted"),
    ],
)
def test_impossible_transformations_are_refused(tmp_path, text, message):
    path = csv(tmp_path / "s.csv", "gene,x,y", "A,3,4")
    with pytest.raises(SpotsError, match=message):
        read(path, transform=text)
    with pytest.raises(SpotsError, match="leave out the `unit`"):
        read(path, transform="1,0,0,0,1,0", unit="pixel")


@pytest.mark.parametrize(
    "content", ["1,2,3\n4,5\n", "a,b,c\n1,2,3\n4,5,6\n", "1,0,0\n0,1,0\n1,0,1\n", "\n"]
)
def test_files_that_are_no_affine_matrix_are_refused(tmp_path, content):
    (tmp_path / "m.csv").write_text(content)
    path = csv(tmp_path / "s.csv", "gene,x,y", "A,3,4")
    with pytest.raises(SpotsError, match=r"m\.csv: "):
        read(path, transform=tmp_path / "m.csv")


def test_columns_that_exist_twice_are_asked_about(tmp_path):
    with pytest.raises(SpotsError, match="several columns are named 'x'"):
        read(csv(tmp_path / "s.csv", "gene,x,y,X", "A,1,2,3"))
    with pytest.raises(SpotsError, match=r"no column 'gen'; .*did you mean 'gene'"):
        read(csv(tmp_path / "s.csv", "gene,x,y", "A,1,2"), columns=Columns(gene="gen"))


@pytest.mark.parametrize("name", ["NegControlCodeword_0500", "BLANK_0033", "UnassignedCodeword_0001",
                                  "DeprecatedCodeword_7", "antisense_PROKR2", "Intergenic_Region_1",
                                  "Blank-12", "NegPrb4", "NegProbe-WTX", "Negative8",
                                  "SystemControl12"])  # fmt: skip
def test_controls_of_the_platforms_are_known(name):
    assert is_control(name)
    assert not any(map(is_control, ("Nectin1", "NEGR1", "Blk", "INTU", "Antxr1")))
