"""The law of a discretised sampler: kernels with noise, and push-forwards without."""
