package w1;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * W1 on Kafka Streams: RocksDB with a changelog, exactly once by default.
 *
 * Environment: BENCH_BROKER, BENCH_PREFIX (of the topics; without its dot the application's id), BENCH_EVENTS (after so
 * many it commits and ends), BENCH_DATA (its folder), GUARANTEE (exactly_once_v2 or at_least_once), THREADS.
 */
public final class Main {
    static final String STORE = "customers";
    static final int PARTITIONS = 8;

    private Main() { }

    public static void main(String[] args) throws Exception {
        String broker = env("BENCH_BROKER", null);
        String prefix = env("BENCH_PREFIX", null);
        String guarantee = env("GUARANTEE", StreamsConfig.EXACTLY_ONCE_V2);
        int threads = Integer.parseInt(env("THREADS", "2"));
        if (!List.of(StreamsConfig.AT_LEAST_ONCE, StreamsConfig.EXACTLY_ONCE_V2).contains(guarantee))
            throw new IllegalArgumentException("GUARANTEE: at_least_once or exactly_once_v2, not " + guarantee);

        Meter meter = new Meter(Long.parseLong(env("BENCH_EVENTS", null)));
        String id = prefix.substring(0, prefix.length() - 1);
        KafkaStreams streams = new KafkaStreams(topology(prefix, meter), config(id, broker, guarantee, threads));
        streams.setUncaughtExceptionHandler(x -> {
            x.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        try {
            startTogether(streams, broker, id, Math.min(threads, PARTITIONS));
        } catch (Exception x) {
            x.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
        meter.await();
        Runtime.getRuntime().halt(streams.close(Duration.ofSeconds(60)) ? 0 : 1);
    }

    /** A setting; {@code fallback} null: it must be given. */
    private static String env(String name, String fallback) {
        String v = System.getenv(name);
        if (v != null && !v.isEmpty()) return v;
        if (fallback == null) throw new IllegalArgumentException("set " + name);
        return fallback;
    }

    private static Topology topology(String prefix, Meter meter) {
        StoreBuilder<KeyValueStore<String, State>> store = Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore(STORE), Serdes.String(), Codecs.STATES).withLoggingEnabled(Map.of());
        return new Topology()
            .addSource("in", Serdes.String().deserializer(), Codecs.EVENTS, prefix + "customer-events")
            .addProcessor("segments", () -> new Segments(meter), "in")
            .addStateStore(store, "segments")
            .addSink("out", prefix + "segment-changes", Serdes.String().serializer(), Codecs.CHANGES, "segments");
    }

    private static Properties config(String id, String broker, String guarantee, int threads) {
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, id);
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, broker);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads);
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, guarantee.equals(StreamsConfig.EXACTLY_ONCE_V2) ? 100 : 1000);
        p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        p.put(StreamsConfig.STATE_DIR_CONFIG, env("BENCH_DATA", null));
        return p;
    }

    /**
     * Starts paused and resumes once the group is stable with every thread in its share of the partitions.
     * Otherwise, where the broker does not delay a group's first rebalance, the thread that joins first runs all
     * the tasks alone until its next heartbeat (3 s). While paused, tasks do not restore, so that the streams' own
     * metadata shows none yet: the broker is asked.
     */
    private static void startTogether(KafkaStreams streams, String broker, String group, int threads)
            throws Exception {
        streams.pause();
        streams.start();
        try (Admin admin = Admin.create(Map.of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, broker))) {
            long giveUp = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (!allAssigned(admin, group, threads)) {
                if (System.nanoTime() > giveUp) throw new IllegalStateException(
                    "group " + group + " not stable with " + threads + " busy threads after 60 s");
                Thread.sleep(50);
            }
        }
        streams.resume();
    }

    private static boolean allAssigned(Admin admin, String group, int threads) throws Exception {
        ConsumerGroupDescription g;
        try {
            g = admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
        } catch (ExecutionException x) {
            if (x.getCause() instanceof GroupIdNotFoundException) return false;
            throw x;
        }
        int partitions = 0, busy = 0;
        for (MemberDescription m : g.members()) {
            int own = m.assignment().topicPartitions().size();
            partitions += own;
            if (own > 0) busy++;
        }
        return g.groupState() == GroupState.STABLE && partitions == PARTITIONS && busy == threads;
    }

    /** One customer's event: read the state, step, write it back, forward the changes. */
    private static final class Segments implements Processor<String, Event, String, Change> {
        private final Meter meter;
        private ProcessorContext<String, Change> context;
        private KeyValueStore<String, State> store;

        Segments(Meter meter) {
            this.meter = meter;
        }

        @Override
        public void init(ProcessorContext<String, Change> context) {
            this.context = context;
            this.store = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<String, Event> record) {
            meter.begin();
            String user = record.key();
            State s = store.get(user);
            if (s == null) s = new State();
            Step.step(s, record.value(), record.timestamp(), (segment, entered) ->
                context.forward(record.withValue(new Change(user, segment, entered ? "entered" : "exited"))));
            store.put(user, s);
            meter.end();
        }
    }
}
