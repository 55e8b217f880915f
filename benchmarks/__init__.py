"""Speed and memory of whole commands, as ratios against a peer or a limit measured in the same run."""
