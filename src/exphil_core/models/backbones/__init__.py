"""The built-in backbones and the contract that all backbones keep."""
