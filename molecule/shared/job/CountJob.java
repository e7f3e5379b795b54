import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Counts a sequence in keyed state and prints both: they are equal for as long as neither is lost.
 * Uses only what every release from 1.13 to 2.3 has, so that one source serves all of them.
 */
public class CountJob {
    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.setParallelism(1);
        environment
                .fromSource(new NumberSequenceSource(1, Long.MAX_VALUE), WatermarkStrategy.noWatermarks(), "numbers")
                .map(new Pace())
                .keyBy(new OneKey())
                .map(new Count())
                .print();
        environment.execute("count");
    }

    /** Slows the source itself: behind the exchange, a checkpoint would wait for all that is buffered there. */
    public static class Pace implements MapFunction<Long, Long> {
        @Override
        public Long map(Long number) throws Exception {
            Thread.sleep(20);
            return number;
        }
    }

    public static class OneKey implements KeySelector<Long, Integer> {
        @Override
        public Integer getKey(Long number) {
            return 0;
        }
    }

    public static class Count extends RichMapFunction<Long, String> {
        private transient ValueState<Long> state;

        @Override
        public String map(Long number) throws Exception {
            if (state == null) {
                state = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Long.class));
            }
            Long before = state.value();
            long count = before == null ? 1 : before + 1;
            state.update(count);
            return "number=" + number + " count=" + count;
        }
    }
}
