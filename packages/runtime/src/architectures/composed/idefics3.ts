import { count } from "../../load/json-fields.ts";
import type { Composition } from "./composition.ts";

/**
 * Idefics3 and SmolVLM: squares of neighbouring rows of the encoder become one, through a matrix.
 *
 * @see Laurençon et al., arXiv:2408.12637; Marafioti et al., arXiv:2504.05299;
 *   huggingface/transformers: models/idefics3, models/smolvlm
 */
export const idefics3: Composition = {
  text: "llama",
  vision: "idefics3_vision",
  projector: (json, _vision, outputs) => ({
    reads: ["final"],
    patchesOnly: false,
    join: { side: count(json, "scale_factor", 2), from: "grid" },
    linears: [{ name: "connector.modality_projection.proj", outputs }],
    activation: "gelu",
    bias: false,
    newline: null,
  }),
};
