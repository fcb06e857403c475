#include "loom/base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

namespace loom {
namespace {

using Shape = LogLinearShape<4, 32>;

TEST(LogLinearShape, BucketsTileTheRangeWithoutGapOrOverlap) {
    EXPECT_EQ(Shape::lower_bound(0), 0u);
    for (size_t i = 0; i + 1 < Shape::bucket_count; ++i)
        ASSERT_EQ(Shape::lower_bound(i) + Shape::width(i), Shape::lower_bound(i + 1)) << i;
    EXPECT_EQ(Shape::lower_bound(Shape::bucket_count - 1) + Shape::width(Shape::bucket_count - 1), uint64_t{1} << 32);
}

TEST(LogLinearShape, FindsTheBucketOfEachOfItsEdges) {
    for (size_t i = 0; i < Shape::bucket_count; ++i) {
        ASSERT_EQ(Shape::index_of(Shape::lower_bound(i)), i);
        ASSERT_EQ(Shape::index_of(Shape::lower_bound(i) + Shape::width(i) - 1), i);
    }
}

TEST(LogLinearShape, KnowsAValueToOnePartInSixteen) {
    for (size_t i = 16; i < Shape::bucket_count; ++i) ASSERT_LE(Shape::width(i) * 16, Shape::lower_bound(i)) << i;
}

TEST(LogLinearShape, PutsWhatIsTooLargeIntoTheLastBucket) {
    EXPECT_EQ(Shape::index_of(uint64_t{1} << 32), Shape::bucket_count - 1);
    EXPECT_EQ(Shape::index_of(UINT64_MAX), Shape::bucket_count - 1);
}

TEST(Histogram, QuantilesAreThoseOfTheSortedValues) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::lognormal_distribution<double> durations(10, 2);
    Histogram<> histogram;
    std::vector<uint64_t> values;
    for (int i = 0; i < 10'000; ++i) {
        values.push_back(std::min<uint64_t>(static_cast<uint64_t>(durations(random)), UINT32_MAX));
        histogram.record(values.back());
    }
    std::sort(values.begin(), values.end());
    Histogram<>::Counts counts;
    histogram.add_to(counts);
    EXPECT_EQ(counts.count(), values.size());
    for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        const double exact = static_cast<double>(values[static_cast<size_t>(q * 10'000) - 1]);
        EXPECT_NEAR(counts.quantile(q), exact, exact / 16 + 1) << q;
    }
}

TEST(Histogram, HasNoQuantileBeforeItsFirstValue) { EXPECT_EQ(Histogram<>::Counts{}.quantile(0.99), 0); }

TEST(Histogram, MergesShardsAndForgetsWhatAWindowLeftBehind) {
    Histogram<> a, b;
    for (int i = 0; i < 100; ++i) a.record(10);
    Histogram<>::Counts before;
    a.add_to(before);
    for (int i = 0; i < 100; ++i) b.record(1'000'000);
    Histogram<>::Counts now;
    a.add_to(now);
    b.add_to(now);
    EXPECT_EQ(now.count(), 200u);
    EXPECT_EQ(now.quantile(0.5), 10);
    EXPECT_EQ(now.since(before).count(), 100u);
    EXPECT_NEAR(now.since(before).quantile(0.5), 1e6, 1e6 / 16);
}

TEST(BoundedHistogram, CountsAValueUnderTheFirstBoundThatIsNotBelowIt) {
    const BoundedHistogram<3>::Bounds bounds{10, 100, 1000};
    BoundedHistogram<3> h;
    for (const uint64_t v : {0, 10, 11, 100, 1000, 1001}) h.record(bounds, v);
    EXPECT_EQ(h.bucket(0), 2u);
    EXPECT_EQ(h.bucket(1), 2u);
    EXPECT_EQ(h.bucket(2), 1u);
    EXPECT_EQ(h.bucket(3), 1u);
    EXPECT_EQ(h.sum(), 2122u);
}

TEST(Counter, ASecondThreadReadsWhileOneWrites) {
    Counter counter;
    std::thread writer([&] {
        for (int i = 0; i < 100'000; ++i) counter.add();
    });
    uint64_t last = 0;
    for (int i = 0; i < 1000; ++i) {
        const uint64_t now = counter.value();
        ASSERT_GE(now, last);
        last = now;
    }
    writer.join();
    EXPECT_EQ(counter.value(), 100'000u);
}

}  // namespace
}  // namespace loom
