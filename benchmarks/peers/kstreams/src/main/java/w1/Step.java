package w1;

import java.util.function.BiConsumer;

/** {@code step} of benchmarks/w1_step.py. */
final class Step {
    static final String[] SEGMENTS = {"active", "frequent", "big"};
    static final byte ACTIVE = 0, FREQUENT = 1, BIG = 2;
    private static final long WINDOW_MS = 30L * 86_400 * 1000;
    private static final double BIG_TOTAL = 500;

    private Step() { }

    /** Applies {@code e}, of {@code ts} in ms, to {@code s}; tells {@code changed} (segment, entered), exits first. */
    static void step(State s, Event e, long ts, BiConsumer<String, Boolean> changed) {
        s.seen = ts;
        if (e.event.equals("Order Completed")) {
            s.addOrder(ts);
            s.total = Math.round((s.total + e.properties.total) * 100) / 100.0;
        }
        boolean frequent = s.orderCount == State.ORDERS && s.orders[0] > ts - WINDOW_MS;
        boolean big = s.total >= BIG_TOTAL;
        byte[] now = new byte[1 + (frequent ? 1 : 0) + (big ? 1 : 0)];
        int i = 0;
        now[i++] = ACTIVE;
        if (frequent) now[i++] = FREQUENT;
        if (big) now[i] = BIG;
        byte[] was = s.members;
        for (byte k : was) if (!in(now, k)) changed.accept(SEGMENTS[k], false);
        for (byte k : now) if (!in(was, k)) changed.accept(SEGMENTS[k], true);
        s.members = now;
    }

    private static boolean in(byte[] all, byte k) {
        for (byte x : all) if (x == k) return true;
        return false;
    }
}
