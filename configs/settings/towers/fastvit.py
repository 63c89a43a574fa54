"""Makes a convolutional tower small."""

from configs.settings.towers import resnet

TINY = resnet.TINY
