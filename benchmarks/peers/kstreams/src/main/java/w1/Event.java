package w1;

/** One input event. Its time is the record's own, so that no date need be parsed. */
public final class Event {
    public String type;
    public String messageId;
    public String userId;
    public String event;
    public Properties properties;

    public static final class Properties {
        public double total;
        public String sku;
    }
}
