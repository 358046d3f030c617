"""What guidance gains in confidence, from pairs of paths that share their noise.

Two components at -1 and 1, target 1. Every gain is a difference of mean posterior masses. With
common noise the two strengths differ on each path by little, so that the same interval takes a
fraction of the independent pairs: the variance ratio.
"""

import fokker_planck as fp
import sde_compare as sc

CASES = (("sde", 1, 0), ("sde", 3, 0), ("sde", 4, 3), ("ode", 1, 0), ("ode", 3, 0))
N_PATHS, N_STEPS = 2**18, 256


def main() -> dict[tuple[str, int, int], sc.Gain]:
    mixture = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
    gains = {}
    for sampler, high, low in CASES:
        a = fp.reverse_process(mixture, 1, strength=high, sampler=sampler)
        b = a.with_strength(low)
        found = sc.gain(a, b, N_PATHS, N_STEPS, rule="exponential")
        gains[sampler, high, low] = found
        print(
            f"{sampler} strength {high} over {low}: gain {found.difference.value:.4f} "
            f"± {found.difference.error:.4f}, at this step ± {found.at_step.error:.5f} "
            f"(independent ± {found.independent:.5f}), "
            f"variance ratio {found.variance_ratio.value:.3f} "
            f"± {found.variance_ratio.error:.3f} (99 %)"
        )
    return gains


if __name__ == "__main__":
    main()
