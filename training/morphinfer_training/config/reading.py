"""Training configurations from TOML files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morphinfer.errors import ConfigError
from morphinfer.limits import beyond, limit
from morphinfer.names import nearest_name
from morphinfer_training.config.parsing import build
from morphinfer_training.config.rules import check
from morphinfer_training.config.tables import TrainConfig


def read_config(path: str | Path) -> TrainConfig:
    """Training configuration from a TOML file.

    Raises
    ------
    ConfigError
        The file cannot be read, is not valid TOML, or has an unknown key or an invalid value.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        if len(content) > limit("MOST_METADATA_MB") * 10**6:
            raise ValueError(f"{len(content) / 1e6:.0f} MB, {beyond('MOST_METADATA_MB')}")
        table = tomllib.loads(content.decode("utf-8-sig"))
    except OSError as problem:
        near = "" if path.exists() else nearest_name(path)
        raise ConfigError(
            f"{path}: cannot be read ({problem.strerror}){near or '; check the path'}"
        ) from problem
    except ValueError as problem:
        raise ConfigError(f"{path}: not valid TOML ({problem}); correct it") from problem
    except RecursionError as problem:
        raise ConfigError(
            f"{path}: its arrays or tables are nested too deeply; correct it"
        ) from problem
    return parse_config(table, str(path))


def parse_config(table: Mapping[str, Any], source: str) -> TrainConfig:
    """Training configuration from a TOML table; ``source`` names the table in messages.

    Raises
    ------
    ConfigError
        The table has an unknown key or an invalid value.
    """
    config = build(TrainConfig, table, source, "")
    check(config, source)
    return config
