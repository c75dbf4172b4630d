"""`segue demo`: two years of a real shop's purchases, replayed week by week."""
