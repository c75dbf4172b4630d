"""Online models: samples out of profiles, learners, snapshots, and the scorers made from them."""
