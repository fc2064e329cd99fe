"use strict";
// One panel a scene. Places are x and y in micrometres of the slide. The fragment of the address holds
// what is seen: at=X,Y,MICROMETRES_A_PIXEL and off=VALUES for each panel, and the controls of the header.

const byId = (id) => document.getElementById(id);
const LAYERS = ["nuclei", "tissue", "classes", "outlines", "uncertainty"];
const CONTROLS = ["nuclei", "classes", "outlines", "uncertainty"];
const TISSUE_SHARE = 0.27; // general tissue is as much fainter than the targets
const panels = [];
let moving = false;

class Panel {
  constructor(scene, index, off, start) {
    this.scene = scene;
    this.index = index;
    this.off = new Set(off);
    this.start = start;
    this.widthUm = scene.width * scene.pixel_size_um;
    this.low = scene.nuclei?.low;
    this.high = scene.nuclei?.high;
    this.images = Object.fromEntries(LAYERS.map((layer) => [layer, []]));
    this.section = byId("panel").content.firstElementChild.cloneNode(true);
    byId("panels").append(this.section);
    this.head();
    this.legend();
    this.contrast();
  }

  // Show the images, once all panels have their place.
  open() {
    this.viewer = new OpenSeadragon.Viewer({
      element: this.find(".viewer"), drawer: "canvas", showNavigationControl: false, imageSmoothingEnabled: false,
      maxZoomPixelRatio: 8, minZoomImageRatio: 0.5, visibilityRatio: 0.2, animationTime: 0.4, timeout: 120000,
      subPixelRoundingForTransparency: { "*": OpenSeadragon.SUBPIXEL_ROUNDING_OCCURRENCES.ALWAYS },
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    });
    this.viewer.addHandler("tile-load-failed", () => say("parts of a slide cannot be read; the terminal says why"));
    this.viewer.addHandler("viewport-change", () => { this.bar(); follow(this); });
    this.viewer.addHandler("resize", () => this.bar());
    this.viewer.addHandler("animation-finish", remember);
  }

  find(selector) { return this.section.querySelector(selector); }

  head() {
    const title = this.find("h2");
    title.title = this.scene.address;
    title.append(this.scene.name);
    if (this.scene.synthetic) title.append(make("span", "badge", "synthetic section"));
    if (!this.scene.nuclei) title.append(make("span", "soft", "without its slide"));
    if (this.scene.labels !== this.scene.name) title.append(make("span", "soft", this.scene.labels));
  }

  legend() {
    this.scene.classes.forEach((each, value) => {
      const box = make("input");
      box.type = "checkbox";
      box.checked = !this.off.has(value);
      box.addEventListener("change", () => {
        this.off[box.checked ? "delete" : "add"](value);
        ["tissue", "classes", "outlines"].forEach((layer) => this.draw(layer));
        remember();
      });
      const swatch = make("span", "swatch");
      swatch.style.background = each.colour;
      const area = make("span", "area", `${each.area_mm2.toFixed(3)} mm² · ${(100 * each.share).toFixed(1)} %`);
      const label = make("label");
      label.append(box, swatch, each.name, area);
      const item = make("li");
      item.append(label);
      this.find(".legend").append(item);
    });
  }

  contrast() {
    if (!this.scene.nuclei) {
      this.find(".contrast").remove();
      return;
    }
    const { least, most } = this.scene.nuclei;
    let waiting = 0;
    for (const name of ["low", "high"]) {
      const slider = this.find(`[name=${name}]`);
      Object.assign(slider, { min: least, max: most, step: (most - least) / 500, value: this[name] });
      slider.addEventListener("input", () => {
        this[name] = Number(slider.value);
        clearTimeout(waiting);
        waiting = setTimeout(() => this.draw("nuclei"), 120);
      });
    }
  }

  // Show a layer; once it has loaded, the images that showed it before go.
  draw(layer) {
    const { scene, index } = this;
    if (scene[layer] === null || scene[layer] === false) return;
    const shown = scene.classes.map((_, value) => value).filter((value) => !this.off.has(value));
    const query = layer === "nuclei" ? `low=${this.low}&high=${this.high}`
      : layer === "uncertainty" ? "" : `shown=${shown.join()}`;
    this.viewer.addTiledImage({
      tileSource: {
        width: scene.width, height: scene.height, tileSize: scene.tile, minLevel: scene.coarsest,
        maxLevel: scene.deepest,
        getTileUrl: (level, col, row) => `tiles/${index}/${layer}/${level}/${row}/${col}?${query}`,
      },
      width: 1, opacity: opacity(layer), success: ({ item }) => {
        const below = LAYERS.slice(0, LAYERS.indexOf(layer) + 1).flatMap((name) => this.images[name]);
        this.viewer.world.setItemIndex(item, below.length);
        this.images[layer].push(item);
        item.whenFullyLoaded(() => {
          const older = this.images[layer].splice(0, this.images[layer].indexOf(item));
          older.forEach((image) => this.viewer.world.removeItem(image));
        });
        this.begin();
      },
    });
  }

  // Go to the place of the address, once there is an image.
  begin() {
    if (!this.start) return;
    if (this.start.length === 3 && this.start[2] > 0) this.go(this.start, true);
    this.start = undefined;
    this.bar();
  }

  place() {
    const view = this.viewer.viewport;
    const centre = view.getCenter(true);
    const umPerPixel = this.widthUm / view.getZoom(true) / view.getContainerSize().x;
    return [this.scene.left_um + centre.x * this.widthUm, this.scene.top_um + centre.y * this.widthUm, umPerPixel];
  }

  go([x, y, umPerPixel], immediately) {
    const view = this.viewer.viewport;
    view.zoomTo(this.widthUm / umPerPixel / view.getContainerSize().x, null, immediately);
    view.panTo(new OpenSeadragon.Point((x - this.scene.left_um) / this.widthUm,
      (y - this.scene.top_um) / this.widthUm), immediately);
  }

  bar() {
    const umPerPixel = this.place()[2];
    const most = 140 * umPerPixel;
    const power = 10 ** Math.floor(Math.log10(most));
    const length = power * [5, 2, 1].find((times) => times * power <= most);
    this.find(".bar span").textContent = length >= 1000 ? `${length / 1000} mm` : `${+length.toPrecision(1)} µm`;
    this.find(".bar i").style.width = `${length / umPerPixel}px`;
  }
}

function make(tag, kind = "", text = "") {
  const element = document.createElement(tag);
  element.className = kind;
  element.textContent = text;
  return element;
}

function say(text) { byId("message").textContent = text; }

function opacity(layer) {
  if (layer === "tissue") return TISSUE_SHARE * opacity("classes");
  const control = byId(layer);
  return control.type === "checkbox" ? Number(control.checked) : Number(control.value);
}

function follow(leader) {
  if (moving || !byId("together").checked) return;
  moving = true;
  for (const other of panels) if (other !== leader) other.go(leader.place(), true);
  moving = false;
}

function remember() {
  const seen = new URLSearchParams();
  for (const panel of panels) {
    seen.append("at", panel.place().map((number) => +number.toPrecision(7)).join());
    seen.append("off", [...panel.off].join());
  }
  for (const layer of CONTROLS) seen.set(layer, opacity(layer));
  if (byId("together").checked) seen.set("together", 1);
  history.replaceState(null, "", `#${seen.toString().replaceAll("%2C", ",")}`);
}

function control(layer) {
  byId(layer).addEventListener("input", () => {
    for (const panel of panels) {
      for (const each of layer === "classes" ? ["tissue", layer] : [layer]) {
        panel.images[each].forEach((image) => image.setOpacity(opacity(each)));
      }
      if (layer === "uncertainty") panel.find(".ramp").style.display = opacity(layer) ? "block" : "none";
    }
    remember();
  });
}

function numbers(text) {
  const found = (text ?? "").split(",").filter(Boolean).map(Number);
  return found.every(Number.isFinite) ? found : [];
}

async function begin() {
  const scenes = await (await fetch("scenes.json")).json();
  const seen = new URLSearchParams(location.hash.slice(1));
  for (const layer of CONTROLS) {
    if (!seen.has(layer)) continue;
    byId(layer).checked = seen.get(layer) !== "0";
    if (byId(layer).type === "range") byId(layer).value = Number(seen.get(layer));
  }
  byId("together").checked = seen.has("together");
  byId("together-label").hidden = scenes.length < 2;
  byId("uncertainty").parentElement.hidden = !scenes.some((scene) => scene.uncertainty);
  document.title = `${scenes.map((scene) => scene.name).join(", ")} · morphinfer`;
  scenes.forEach((scene, index) => {
    const background = scene.classes.flatMap((each, value) => each.role === "background" ? [value] : []);
    const off = seen.getAll("off")[index];
    panels.push(new Panel(scene, index, off === undefined ? background : numbers(off),
      numbers(seen.getAll("at")[index])));
  });
  CONTROLS.forEach(control);
  byId("together").addEventListener("change", () => { follow(panels[0]); remember(); });
  byId("copy").addEventListener("click", () => {
    remember();
    navigator.clipboard.writeText(location.href).then(() => say("copied"), () => say("copy the address of the page"));
  });
  for (const panel of panels) {
    panel.open();
    LAYERS.forEach((layer) => panel.draw(layer));
  }
  byId("uncertainty").dispatchEvent(new Event("input"));
}

begin().catch((problem) => say(`the page cannot begin: ${problem}`));
