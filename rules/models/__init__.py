"""Online models as a definitions file has them: what to learn, from which samples and features."""
