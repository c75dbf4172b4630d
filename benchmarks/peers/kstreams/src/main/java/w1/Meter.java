package w1;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;

/** Prints a mark at the first event and at the N-th, over all stream threads, unless it is silent: as marks.py does. */
final class Meter {
    private static final OperatingSystemMXBean OS =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final long n;
    private final boolean marks;
    private final AtomicLong done = new AtomicLong();
    private final CountDownLatch finished = new CountDownLatch(1);
    private volatile boolean started;

    Meter(long n, boolean marks) {
        this.n = n;
        this.marks = marks;
    }

    /** Before each event. */
    void begin() {
        if (!started) start();
    }

    /** After each event. */
    void end() {
        if (done.incrementAndGet() != n) return;
        mark("end", n);
        finished.countDown();
    }

    /** Waits for the N-th event. */
    void await() throws InterruptedException {
        finished.await();
    }

    private synchronized void start() {
        if (started) return;
        mark("begin", 0);
        started = true;
    }

    private void mark(String name, long events) {
        if (!marks) return;
        System.out.printf(Locale.ROOT, "{\"name\":\"%s\",\"events\":%d,\"at_s\":%.6f,\"cpu_s\":%.6f}%n",
            name, events, System.nanoTime() / 1e9, OS.getProcessCpuTime() / 1e9);
        System.out.flush();
    }
}
