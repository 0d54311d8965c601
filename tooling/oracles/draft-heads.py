#!/usr/bin/env python3
"""Write packages/runtime-node/test/oracles/draft-heads.json: small random draft heads and what they say.

The layers are transformers' own Llama layer, put together as the published heads are
(SafeAILab/EAGLE: cnets1.py, cnets.py; DeepSeek-V3's module for multi-token prediction;
FasterDecoding/Medusa: medusa_model.py), with their tensor names.
"""

import base64
import json
import sys
from pathlib import Path

import torch
import transformers
from torch import Tensor, nn
from transformers.models.llama.modeling_llama import (
    LlamaConfig,
    LlamaDecoderLayer,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
)

OUT = Path(__file__).parents[2] / "packages/runtime-node/test/oracles/draft-heads.json"
CONFIG = dict(
    model_type="llama", vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=8,
    num_attention_heads=2, num_key_value_heads=1, head_dim=8, max_position_embeddings=64,
    rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False, eos_token_id=0,
)  # fmt: skip
HIDDEN, VOCABULARY = CONFIG["hidden_size"], CONFIG["vocab_size"]
ROWS = 5


def llama_layer(wide: bool) -> LlamaDecoderLayer:
    """Make a random layer; its queries, keys and values read twice the width if `wide`."""
    layer = LlamaDecoderLayer(LlamaConfig(**CONFIG, attn_implementation="eager"), 0)
    if wide:
        for name in ("q_proj", "k_proj", "v_proj"):
            old = getattr(layer.self_attn, name)
            setattr(layer.self_attn, name, nn.Linear(2 * HIDDEN, old.out_features, bias=False))
    for parameter in layer.parameters():
        noise = torch.randn_like(parameter)
        parameter.data = 1 + 0.2 * noise if parameter.dim() == 1 else 0.4 * noise
    return layer


def norm() -> LlamaRMSNorm:
    made = LlamaRMSNorm(HIDDEN, CONFIG["rms_norm_eps"])
    made.weight.data = 1 + 0.2 * torch.randn(HIDDEN)
    return made


def attend(layer: LlamaDecoderLayer, x: Tensor) -> Tensor:
    """Causal self-attention over the rows of `x`, `[rows, width]`."""
    rows = len(x)
    rotary = LlamaRotaryEmbedding(LlamaConfig(**CONFIG))
    positions = rotary(x[None], torch.arange(rows)[None])
    mask = torch.full((1, 1, rows, rows), float("-inf")).triu(1)
    return layer.self_attn(x[None], position_embeddings=positions, attention_mask=mask)[0][0]


def finish(layer: LlamaDecoderLayer, residual: Tensor, attended: Tensor) -> Tensor:
    x = residual + attended
    return x + layer.mlp(layer.post_attention_layernorm(x))


def with_own_row(run, features: list[Tensor], tokens: Tensor) -> Tensor:
    """Run the rows that have the target's states, and one more after the last row's own state."""
    first = run(tokens[:ROWS], features, None)
    return run(tokens, features, first[-1:])


def eagle(table: Tensor, features: list[Tensor], tokens: Tensor, head: Tensor):
    layer, fc = llama_layer(False), nn.Linear(2 * HIDDEN, HIDDEN)

    def run(ids, states, own):
        state = states[0] if own is None else torch.cat([states[0], own])
        x = fc(torch.cat([table[ids], state], -1))
        return finish(layer, x, attend(layer, x))

    states = with_own_row(run, features, tokens)
    weights = {f"layers.0.{k}": v for k, v in layer.state_dict().items() if "input_layernorm" not in k}
    return states, states @ head.T, {**weights, **named("fc", fc)}, {**CONFIG, "num_hidden_layers": 1}


def eagle3(table: Tensor, features: list[Tensor], tokens: Tensor, _: Tensor):
    layer, fc = llama_layer(True), nn.Linear(3 * HIDDEN, HIDDEN, bias=False)
    hidden_norm, final = norm(), norm()
    ids_of_draft = torch.tensor([1, 2, 5, 7, 8, 11, 13, 17, 19, 20, 29, 31])
    head = torch.randn(len(ids_of_draft), HIDDEN)

    def run(ids, states, own):
        hidden = fc(torch.cat(states, -1))
        hidden = hidden if own is None else torch.cat([hidden, own])
        x = torch.cat([layer.input_layernorm(table[ids]), hidden_norm(hidden)], -1)
        return finish(layer, hidden, attend(layer, x))

    states = with_own_row(run, features, tokens)
    weights = {f"midlayer.{k}": v for k, v in layer.state_dict().items()}
    weights |= {"midlayer.hidden_norm.weight": hidden_norm.weight, "norm.weight": final.weight}
    weights |= {**named("fc", fc), "lm_head.weight": head}
    weights["d2t"] = ids_of_draft - torch.arange(len(ids_of_draft))
    config = {**CONFIG, "num_hidden_layers": 1, "draft_vocab_size": len(ids_of_draft)}
    return states, final(states) @ head.T, weights, config


def mtp(table: Tensor, features: list[Tensor], tokens: Tensor, head: Tensor):
    layer, eh_proj = llama_layer(False), nn.Linear(2 * HIDDEN, HIDDEN, bias=False)
    enorm, hnorm, final = norm(), norm(), norm()

    def run(ids, states, own):
        state = states[0] if own is None else torch.cat([states[0], own])
        x = eh_proj(torch.cat([enorm(table[ids]), hnorm(state)], -1))
        return finish(layer, x, attend(layer, layer.input_layernorm(x)))

    states = with_own_row(run, features, tokens)
    prefix = f"model.layers.{CONFIG['num_hidden_layers']}."
    weights = {**layer.state_dict(), **named("eh_proj", eh_proj)}
    weights |= {"enorm.weight": enorm.weight, "hnorm.weight": hnorm.weight}
    weights |= {"shared_head.norm.weight": final.weight}
    config = {**CONFIG, "num_nextn_predict_layers": 1}
    return states, final(states) @ head.T, {prefix + k: v for k, v in weights.items()}, config


def medusa(_table: Tensor, features: list[Tensor], _tokens: Tensor, _head: Tensor):
    """Two heads of two blocks on the state of the last row."""
    weights, logits = {}, []
    for k in range(2):
        x = features[0][-1]
        for block in range(2):
            linear = nn.Linear(HIDDEN, HIDDEN)
            x = x + nn.functional.silu(linear(x))
            weights |= named(f"{k}.{block}.linear", linear)
        projection = nn.Linear(HIDDEN, VOCABULARY, bias=False)
        weights |= named(f"{k}.2", projection)
        logits.append(projection(x))
    return torch.zeros(0, HIDDEN), torch.stack(logits), weights, dict(medusa_num_heads=2, medusa_num_layers=2)


def named(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}


def encode(tensor: Tensor) -> dict[str, object]:
    """Shape and values, in float32 or int64."""
    isInteger = tensor.dtype == torch.int64
    raw = (tensor if isInteger else tensor.detach().float()).contiguous().numpy().tobytes()
    return dict(dtype="I64" if isInteger else "F32", shape=list(tensor.shape), data=base64.b64encode(raw).decode())


def main() -> None:
    torch.manual_seed(1)
    table, head = torch.randn(VOCABULARY, HIDDEN), torch.randn(VOCABULARY, HIDDEN)
    tokens = torch.tensor([3, 17, 4, 4, 30, 9])
    cases = {}
    with torch.no_grad():
        for make, taps in ((eagle, 1), (eagle3, 3), (mtp, 1), (medusa, 1)):
            features = [torch.randn(ROWS, HIDDEN) for _ in range(taps)]
            states, logits, weights, config = make(table, features, tokens, head)
            cases[make.__name__] = dict(
                config=config,
                weights={name: encode(tensor) for name, tensor in weights.items()},
                features=[encode(feature) for feature in features],
                states=encode(states),
                logits=encode(logits),
            )
    source = dict(
        repository="huggingface/transformers",
        command="python tooling/oracles/draft-heads.py",
        versions=dict(python=sys.version.split()[0], torch=torch.__version__, transformers=transformers.__version__),
    )
    target = {"model.embed_tokens.weight": encode(table), "lm_head.weight": encode(head)}
    content = dict(source=source, config=CONFIG, target=target, tokens=tokens.tolist(), cases=cases)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
