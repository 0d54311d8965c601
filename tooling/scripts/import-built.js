// Imports every built package with the Node that runs this script and prints what it exports, to
// prove that the oldest supported Node can load them.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { childrenOf, root } from "./install.js";

for (const folder of childrenOf("packages")) {
  const names = Object.keys(await import(pathToFileURL(join(root, folder, "dist/index.js")).href));
  console.log(`${folder} on Node ${process.versions.node}: ${names.join(", ")}`);
}
