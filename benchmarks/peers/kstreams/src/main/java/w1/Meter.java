package w1;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;

/** Prints a mark at the first event and at the N-th, over all stream threads: the lines of benchmarks/marks.py. */
final class Meter {
    private static final OperatingSystemMXBean OS =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final long n;
    private final AtomicLong done = new AtomicLong();
    private final CountDownLatch finished = new CountDownLatch(1);
    private volatile boolean started;

    Meter(long n) {
        this.n = n;
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

    private static void mark(String name, long events) {
        System.out.printf(Locale.ROOT, "{\"name\":\"%s\",\"events\":%d,\"at_s\":%.6f,\"cpu_s\":%.6f}%n",
            name, events, System.nanoTime() / 1e9, OS.getProcessCpuTime() / 1e9);
        System.out.flush();
    }
}
