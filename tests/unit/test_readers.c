/* SPDX-License-Identifier: Apache-2.0 */
/* How many readers the daemon counts at the same time. */
#include "readers.h"

#include <stdint.h>

#include "check.h"

/* Room for two is what these tests speak of, whatever the machine has. */
static void open_for_two(sfs_readers *readers)
{
    sfs_readers_open(readers);
    CHECK(readers->processors >= 1);
    readers->processors = 2;
    CHECK(!sfs_readers_are_many(readers));
}

/* One that waits is one, though its next read may begin before the last is over. */
static void test_one_that_waits(void)
{
    sfs_readers readers;
    open_for_two(&readers);
    sfs_readers_begin(&readers, 7, true);
    sfs_readers_begin(&readers, 7, true);
    CHECK(!sfs_readers_are_many(&readers));
    sfs_readers_end(&readers, 7, true);
    sfs_readers_begin(&readers, 8, true);
    CHECK(sfs_readers_are_many(&readers));
    sfs_readers_end(&readers, 7, true);
    CHECK(!sfs_readers_are_many(&readers));
    sfs_readers_begin(&readers, 9, true);
    CHECK(sfs_readers_are_many(&readers));
    sfs_readers_end(&readers, 8, true);
    sfs_readers_end(&readers, 9, true);
    CHECK(!readers.waiting);
    sfs_readers_close(&readers);
}

/* Of one that has several reads in flight, each counts. */
static void test_in_flight(void)
{
    sfs_readers readers;
    open_for_two(&readers);
    sfs_readers_begin(&readers, 7, false);
    CHECK(!sfs_readers_are_many(&readers));
    sfs_readers_begin(&readers, 7, false);
    CHECK(sfs_readers_are_many(&readers));
    sfs_readers_end(&readers, 7, false);
    sfs_readers_begin(&readers, 7, true);
    CHECK(sfs_readers_are_many(&readers));
    sfs_readers_end(&readers, 7, true);
    sfs_readers_end(&readers, 7, false);
    CHECK(!readers.in_flight && !readers.waiting);
    sfs_readers_close(&readers);
}

/* More than there is room for are not counted, and end as those that are. */
static void test_very_many(void)
{
    sfs_readers readers;
    open_for_two(&readers);
    for (int32_t thread = 0; thread < 3 * SFS_READERS_MAX; thread++)
        sfs_readers_begin(&readers, thread, true);
    CHECK(readers.waiting == SFS_READERS_MAX);
    for (int32_t thread = 3 * SFS_READERS_MAX; thread-- > 1;)
        sfs_readers_end(&readers, thread, true);
    CHECK(readers.waiting == 1 && readers.readers[0].thread == 0);
    sfs_readers_end(&readers, 0, true);
    CHECK(!readers.waiting);
    sfs_readers_close(&readers);
}

int main(void)
{
    test_one_that_waits();
    test_in_flight();
    test_very_many();
    return check_failures() != 0;
}
