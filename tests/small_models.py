"""Networks of the experiments that are quick to train."""

# Builder options that make every model quick to train.
SMALL_MODELS = {
    "mlp": {"width": 8},
    "resnet": {"width": 4},
    "wide_resnet": {"depth": 10, "widen": 1},
    "vgg": {"width": 4},
    "densenet": {"growth": 2},
    "autoencoder": {"width": 4},
    "denoising_autoencoder": {"width": 4},
    "dense_autoencoder": {"width": 8},
    "simclr": {"encoder": "resnet", "encoder_options": {"width": 4}},
}
