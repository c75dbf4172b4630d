package w1;

/** What is kept for one customer. Times are milliseconds since the epoch. */
final class State {
    static final int ORDERS = 3;

    /** Last order times, oldest first; the first {@link #orderCount} are set. */
    final long[] orders = new long[ORDERS];
    int orderCount;
    double total;
    long seen;
    /** Segments the customer is in, in the order of the list of w1_step.py; see {@link Step}. */
    byte[] members = {};

    void addOrder(long at) {
        if (orderCount == ORDERS) {
            System.arraycopy(orders, 1, orders, 0, ORDERS - 1);
            orderCount--;
        }
        orders[orderCount++] = at;
    }
}
