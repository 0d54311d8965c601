"""Acceptance of verification rules on a pair of Zipf laws over 50 tokens, from their formulas.

    python tooling/oracles/sibling-acceptance.py > packages/decoding/test/oracles/sibling-acceptance.json

The optimum is the value of the optimal-transport linear programme: how much of the mass of the drawn
pairs can be assigned to one of their tokens without exceeding the target's law.
"""

import json

import numpy as np
import scipy
from scipy.optimize import brentq, linprog
from scipy.sparse import coo_matrix

SIZE = 50
index = np.arange(SIZE)
p = 1 / (index + 1)
p /= p.sum()
q = 1 / ((index ^ 5) + 1)
q /= q.sum()


def excess(target, draft):
    rest = np.maximum(0, target - draft)
    return rest / rest.sum()


def multi_round(count):
    target, refused, rates = p, 1.0, []
    for _ in range(count):
        refused *= 1 - np.minimum(target, q).sum()
        rates.append(1 - refused)
        target = excess(target, q)
    return rates


def k_seq(count):
    def beta(rho):
        return np.minimum(q, p / rho).sum()

    def surplus(rho):
        return 1 - (1 - beta(rho)) ** count - rho * beta(rho)

    rho = 1.0 if count == 1 else brentq(surplus, 1, count, xtol=1e-15)
    return 1 - (1 - beta(rho)) ** count


def recursive(target, draft, count):
    if count == 0:
        return 0.0
    accepted = np.minimum(target, draft).sum()
    if count == 1:
        return accepted
    rest = excess(target, draft)
    for token in np.flatnonzero(draft > target):
        without = draft.copy()
        without[token] = 0
        refused = draft[token] - target[token]
        accepted += refused * recursive(rest, without / without.sum(), count - 1)
    return accepted


def optimum_of_two():
    rows, columns, values, limits, bounds = [], [], [], [], []
    variable = 0
    for i in range(SIZE):
        for j in range(i, SIZE):
            for token in {i, j}:
                rows += [len(limits), -1 - token]
                columns += [variable, variable]
                values += [1, 1]
                variable += 1
            limits.append(q[i] * q[j] * (1 if i == j else 2))
    rows = [row if row >= 0 else len(limits) - row - 1 for row in rows]
    matrix = coo_matrix((values, (rows, columns)), (len(limits) + SIZE, variable))
    solved = linprog(-np.ones(variable), matrix.tocsr(), np.concatenate([limits, p]), method="highs")
    return -solved.fun


print(
    json.dumps(
        {
            "source": {
                "repository": "none, formulas of the papers",
                "commit": "none",
                "command": "python tooling/oracles/sibling-acceptance.py",
                "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
            },
            "overlap": np.minimum(p, q).sum(),
            "multiRound": multi_round(4),
            "kSeq": [k_seq(count) for count in (1, 2, 3, 4)],
            "recursiveRejection": [recursive(p, q, count) for count in (1, 2)],
            "optimumOfTwo": optimum_of_two(),
        },
        indent=2,
    )
)
