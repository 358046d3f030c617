"""Counterexample X1: with the target in the middle, guidance costs some SDE paths confidence.

Three equal components at -2, 0, 2, the middle one guided, strength 1, horizon 6. Guided and
unguided paths start together and see the same noise.
"""

import numpy as np

import fokker_planck as fp
import sde_compare as sc


def main() -> fp.Estimate:
    mixture = fp.GaussianMixture([1 / 3, 1 / 3, 1 / 3], [-2.0, 0.0, 2.0])
    guided = fp.reverse_process(mixture, 1, strength=1.0, sampler="sde", horizon=6.0)
    paths = sc.couple(guided, guided.with_strength(0.0), 20_000, 600, rule="exponential")
    a = guided.log_complement(paths.points_a[:, 0], guided.horizon)
    b = guided.log_complement(paths.points_b[:, 0], guided.horizon)
    share = sc.clopper_pearson(int(np.sum(a > b)), paths.n_paths)
    print(f"share of paths that lose confidence: {share.value:.4f} ± {share.error:.4f} (99 %)")
    means = [float(np.exp(log).mean()) for log in (a, b)]
    print(f"mean of 1 - P: guided {means[0]:.4f}, unguided {means[1]:.4f}")
    return share


if __name__ == "__main__":
    main()
