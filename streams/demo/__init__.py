"""`segue demo`: eighteen months of a real shop's purchases, replayed week by week."""
