"""Networks of one structure computed as one: parameters, layers, optimizers, CUDA graphs."""
