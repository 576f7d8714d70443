// Before every script of this folder: how a study's mark looks, and how to draw into an SVG.
const SVG = "http://www.w3.org/2000/svg";
const SHAPES = {  // paths about the origin, of radius 1
  circle: "M1,0A1,1 0 1,1 -1,0A1,1 0 1,1 1,0Z", square: "M-.88,-.88H.88V.88H-.88Z", diamond: "M0,-1.25L1.25,0L0,1.25L-1.25,0Z",
  "triangle-up": "M0,-1.2L1.15,.85H-1.15Z", cross: "M-.4,-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
  star: "M0,-1.35L.33,-.42H1.3L.52,.16L.8,1.1L0,.53L-.8,1.1L-.52,.16L-1.3,-.42H-.33Z",
};
const drawn = (name, inside, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  inside.append(element);
  return element;
};
