"""What is known of a customer: profile, features, memberships; how an event changes it; where it is kept."""
