/* SPDX-License-Identifier: Apache-2.0 */
/* How many readers the daemon counts at the same time. */
#include "demand.h"

#include "check.h"

enum { THREADS = 3 * SFS_DEMAND_THREADS };

/* One that waits is one, though its next read may begin before the last is over. */
static void test_threads_that_wait(sfs_demand *demand)
{
    sfs_demand_begin(demand, 7, true);
    sfs_demand_begin(demand, 7, true);
    CHECK(!sfs_demand_is_full(demand));
    sfs_demand_end(demand, 7, true);
    sfs_demand_begin(demand, 8, true);
    CHECK(sfs_demand_is_full(demand));
    sfs_demand_end(demand, 7, true);
    CHECK(!sfs_demand_is_full(demand));
    sfs_demand_begin(demand, 9, true);
    CHECK(sfs_demand_is_full(demand));
    sfs_demand_end(demand, 8, true);
    sfs_demand_end(demand, 9, true);
}

/* Of one that has several reads in flight, each counts. */
static void test_reads_in_flight(sfs_demand *demand)
{
    sfs_demand_begin(demand, 7, false);
    CHECK(!sfs_demand_is_full(demand));
    sfs_demand_begin(demand, 7, false);
    CHECK(sfs_demand_is_full(demand));
    sfs_demand_end(demand, 7, false);
    sfs_demand_begin(demand, 7, true);
    CHECK(sfs_demand_is_full(demand));
    sfs_demand_end(demand, 7, true);
    sfs_demand_end(demand, 7, false);
}

/* More than there is room for are not counted, and end as those that are. */
static void test_very_many(sfs_demand *demand)
{
    for (pid_t thread = 0; thread < THREADS; thread++)
        sfs_demand_begin(demand, thread, true);
    CHECK(demand->readers == SFS_DEMAND_THREADS);
    for (pid_t thread = THREADS; thread-- > 1;)
        sfs_demand_end(demand, thread, true);
    CHECK(demand->readers == 1 && demand->threads[0].thread == 0);
    sfs_demand_end(demand, 0, true);
}

int main(void)
{
    void (*const tests[])(sfs_demand *) = {test_threads_that_wait, test_reads_in_flight,
                                           test_very_many};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        sfs_demand demand;
        sfs_demand_open(&demand);
        CHECK(demand.processors >= 1);
        demand.processors = 2; /* whatever the machine has */
        tests[i](&demand);
        CHECK(!demand.readers && !demand.waiting);
        sfs_demand_close(&demand);
    }
    return check_failures() != 0;
}
