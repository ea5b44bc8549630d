"""A forge: where pull requests, checks and reviews are. A client of GitHub's interface, a small
server of the same one for machines without a network, and its twin in memory."""
