"""Embedding, backbone and policy head, and the policy that ties them."""
