"""The selective scan and the convolution of Mamba layers: our own CPU kernel, and what runs where it can't be had."""
