package w1;

/** One change record: the customer entered or left ({@code change}: entered, exited) the segment. */
public record Change(String customer_id, String segment, String change) { }
