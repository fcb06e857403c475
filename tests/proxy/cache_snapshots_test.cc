// What the cache keeps over a restart, with shards on threads of their own: nothing purged is in a file when the purge
// has returned, whatever is stored, written and read at the same moment; and what comes back is within its bound.
#include "loom/proxy/cache_snapshots.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "../store/directory.h"
#include "cache_desk.h"
#include "loom/base/clock.h"
#include "loom/proxy/semantic_cache.h"

namespace loom::proxy {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t bytes_max = 1 << 20;

cache::Key key_of(uint64_t number) { return hash128({reinterpret_cast<const char*>(&number), sizeof number}, 9); }

std::shared_ptr<const CachePlan> plan_of(uint64_t bytes = bytes_max) {
    auto semantic = std::make_shared<SemanticPlan>();
    semantic->bytes_max = 16 << 20;
    auto plan = std::make_shared<CachePlan>();
    plan->bytes_max = bytes;
    plan->semantic = std::move(semantic);
    return plan;
}

/// A Loom, as far as its cache goes: from its start to its end, or until it is killed.
class Process {
  public:
    Process(const std::string& directory, uint32_t shards, std::shared_ptr<const CachePlan> plan = plan_of(),
            uint64_t interval_ms = 1)
        : plan_(std::move(plan)),
          metrics_(shards),
          snapshots_({.directory = directory, .vault = {}, .interval_ms = interval_ms, .version = "test"}),
          cache_(shards, snapshots_.seed()),
          semantic_(cache_, nullptr) {
        for (uint32_t i = 0; i < shards; ++i) {
            shards_.push_back(std::make_unique<io::Shard>(i, io::ShardOptions{.ring_entries = 64, .buffer_count = 16}));
            cache_.set_mailbox(i, shards_.back()->mailbox());
        }
        cache_.set_semantic(semantic_);
        snapshots_.attach(cache_, semantic_);
        semantic_.set_terms(plan_->semantic);
        desks_.resize(shards);
        for (uint32_t i = 0; i < shards; ++i) begin_shard(i);
        snapshots_.begin(plan_);
    }
    ~Process() { end_shards(); }
    void stop(std::function<bool()> gives_up = [] { return false; }) {
        end_shards();
        snapshots_.write_last(std::move(gives_up));
    }
    /// As a request's answer comes; its text is its model's and its number.
    void keep(uint64_t number, const std::string& model, size_t bytes = 200) {
        auto answer = std::make_shared<cache::Answer>();
        answer->scope = answer->tenant = "alice";
        answer->model = model;
        answer->body.assign(bytes, 'b');
        answer->stored_ms = monotonic_ns() / 1'000'000;
        answer->fresh_until_ms = answer->kept_until_ms = answer->stored_ms + 600'000;
        run(number % shards_.size(), [&](CacheDesk& desk) {
            const CacheTicketPtr ticket = desk.begin(key_of(number), "alice");
            desk.put(ticket, answer);
            semantic_.put({.partition = key_of(1'000'000 + number % 5),
                           .entry = {.key = key_of(number),
                                     .scope = "alice",
                                     .text = model + " asks for number " + std::to_string(number),
                                     .answer = answer,
                                     .fresh_until_ms = answer->fresh_until_ms},
                           .embedder = 0,
                           .vector = nullptr,
                           .made_ms = 0,
                           .purges_seen = ticket->purges_seen});
        });
    }
    void purge(const std::string& model) { EXPECT_EQ(cache_.purge({.tenant = "", .model = model}), ""); }
    [[nodiscard]] uint64_t loaded(size_t layer) const {
        const auto facts = snapshots_.facts();
        return facts.layers[layer].loaded;
    }
    [[nodiscard]] CacheShards& cache() noexcept { return cache_; }
    [[nodiscard]] SemanticCache& semantic() noexcept { return semantic_; }
    [[nodiscard]] CacheSnapshots& snapshots() noexcept { return snapshots_; }

  private:
    void begin_shard(uint32_t i) {
        std::promise<void> begun;
        std::future<void> is_begun = begun.get_future();
        threads_.emplace_back([this, i, &begun] {
            io::Shard& shard = *shards_[i];
            EXPECT_TRUE(shard.open());
            {
                CacheDesk desk(shard, metrics_.shard(i), cache_, i);
                desk.on_new_plan(plan_.get());
                desks_[i] = &desk;
                begun.set_value();
                shard.run([] { return true; }, [](uint64_t) {});
            }
            shard.close();
        });
        is_begun.wait();
    }
    template <class Do>
    void run(size_t shard, Do what) {
        std::promise<void> done;
        shards_[shard]->mailbox().post([&, shard] {
            what(*desks_[shard]);
            done.set_value();
        });
        done.get_future().wait();
    }
    void end_shards() {
        snapshots_.stop();
        for (size_t i = 0; i < threads_.size(); ++i) shards_[i]->mailbox().post([this, i] { shards_[i]->stop(); });
        for (std::thread& one : threads_) one.join();
        threads_.clear();
        semantic_.stop();
    }

    std::shared_ptr<const CachePlan> plan_;
    observe::Metrics metrics_;
    CacheSnapshots snapshots_;
    CacheShards cache_;
    SemanticCache semantic_;
    std::vector<std::unique_ptr<io::Shard>> shards_;
    std::vector<CacheDesk*> desks_;
    std::vector<std::thread> threads_;
};

class Snapshots : public testing::Test {
  protected:
    /// The models of all records of the file; nothing where there is none.
    std::optional<std::multiset<std::string>> models_in(const char* name) const {
        auto reader = store::SnapshotReader::open({.directory = path() + "/cache", .name = name, .vault = {}});
        if (!reader) {
            EXPECT_EQ(reader.error().cause, store::SnapshotFault::Cause::absent) << reader.error().text();
            return std::nullopt;
        }
        std::multiset<std::string> models;
        std::string record;
        for (;;) {
            const auto more = reader->next(record);
            EXPECT_TRUE(more) << "whatever has the name is whole";
            if (!more || !*more) return models;
            if (const auto answer = cache::read_answer_record(record, {}))
                models.insert(answer->answer->model);
            else if (const auto entry = cache::read_entry_record(record, {}))
                models.insert(entry->entry.answer->model);
        }
    }
    template <class Is>
    void wait_until(Is is) {
        const uint64_t end_ms = monotonic_ns() / 1'000'000 + 20'000;
        while (!is() && monotonic_ns() / 1'000'000 < end_ms) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_TRUE(is());
    }
    [[nodiscard]] const std::string& path() const { return directory_.path(); }

  private:
    store::Directory directory_{store::Directory::quick()};
};

constexpr const char* files[] = {"exact.snapshot", "semantic.snapshot"};

TEST_F(Snapshots, AllComesBackToAnotherCountOfShards) {
    {
        Process first(path(), 3, plan_of(), 600'000);
        for (uint64_t i = 0; i < 500; ++i) first.keep(i, "m");
        first.stop();
    }
    EXPECT_EQ(models_in(files[0])->size(), 500u);
    EXPECT_EQ(models_in(files[1])->size(), 500u);
    Process second(path(), 2, plan_of(), 600'000);
    wait_until([&] { return second.loaded(0) == 500 && second.loaded(1) == 500; });
    EXPECT_EQ(second.cache().totals().entries, 500u);
    EXPECT_EQ(second.semantic().totals().entries, 500u);
}

TEST_F(Snapshots, ASmallerCacheTakesWhatFits) {
    {
        Process first(path(), 1, plan_of(8 << 20), 600'000);
        for (uint64_t i = 0; i < 300; ++i) first.keep(i, "m", 4'000);
        first.stop();
    }
    EXPECT_EQ(models_in(files[0])->size(), 300u);
    Process second(path(), 2, plan_of(256 << 10), 600'000);
    wait_until([&] {
        const auto layer = second.snapshots().facts().layers[0];
        return layer.loaded + layer.not_kept == 300;
    });
    EXPECT_LE(second.cache().totals().bytes, 256u << 10);
    EXPECT_GT(second.cache().totals().entries, 10u);
}

/// The law of purges: when one has returned, no file holds what it meets, though files are written all the time.
TEST_F(Snapshots, NoFileHoldsWhatWasPurged) {
    Process process(path(), 2);
    for (int round = 0; round < 150; ++round) {
        const std::string model = "m" + std::to_string(round);
        for (uint64_t i = 0; i < 10; ++i) process.keep(static_cast<uint64_t>(round) * 100 + i, model);
        if (round % 3 == 0) wait_until([&] { return fs::exists(path() + "/cache/" + files[0]); });
        process.purge(model);
        for (const char* const name : files) {
            const auto models = models_in(name);
            if (models) EXPECT_FALSE(models->contains(model)) << round << " " << name;
        }
    }
    process.keep(1'000'000, "last");
    process.stop();
    for (const char* const name : files) EXPECT_EQ(models_in(name), std::multiset<std::string>{"last"}) << name;
}

/// While they are loaded, too: of what is purged then, nothing is there in the end, and all else is.
TEST_F(Snapshots, APurgeReachesWhatIsBeingLoaded) {
    {
        Process first(path(), 2, plan_of(4 << 20), 600'000);
        for (uint64_t i = 0; i < 800; ++i) first.keep(i, i % 2 == 0 ? "even" : "odd");
        first.stop();
    }
    Process second(path(), 3, plan_of(4 << 20), 600'000);
    second.purge("even");
    wait_until([&] {
        uint64_t all = 0;
        for (const auto& layer : second.snapshots().facts().layers) all += layer.loaded + layer.purged + layer.not_kept;
        return all == 1600;
    });
    second.stop();
    for (const char* const name : files) {
        const auto models = models_in(name);
        ASSERT_TRUE(models) << name;
        EXPECT_EQ(models->count("even"), 0u) << name;
        EXPECT_EQ(models->count("odd"), 400u) << name;
    }
}

/// One that ends before all is loaded leaves the file that has it all.
TEST_F(Snapshots, WhoEndsAtOnceLosesNothing) {
    {
        Process first(path(), 2, plan_of(4 << 20), 600'000);
        for (uint64_t i = 0; i < 800; ++i) first.keep(i, "m");
        first.stop();
    }
    for (int i = 0; i < 5; ++i) {
        Process next(path(), 2, plan_of(4 << 20), 600'000);
        next.stop();
    }
    for (const char* const name : files) EXPECT_EQ(models_in(name)->size(), 800u) << name;
}

/// However much there is: what is to stop looks at no further record.
TEST_F(Snapshots, WhoIsToStopDoesNotLoadOn) {
    constexpr uint64_t count = 100'000;
    const store::SnapshotPlace place{.directory = path() + "/cache", .name = files[0], .vault = {}};
    fs::create_directory(place.directory);
    {
        const cache::SnapshotHead head{.kind = cache::SnapshotHead::Kind::exact, .version = "test", .seed = 1};
        auto writer = store::SnapshotWriter::begin(place, head.write());
        ASSERT_TRUE(writer);
        const auto answer = std::make_shared<cache::Answer>(cache::Answer{
            .scope = "alice", .model = "m", .body = "b", .fresh_until_ms = 600'000, .kept_until_ms = 600'000});
        for (uint64_t i = 0; i < count; ++i) {
            std::string record;
            cache::write_record(record, cache::KeptAnswer{.key = key_of(i), .answer = answer}, {});
            ASSERT_TRUE(writer->add(record));
        }
        ASSERT_TRUE(writer->finish() && writer->publish());
    }
    const auto bytes = fs::file_size(place.path());
    Process process(path(), 2, plan_of(256 << 20), 600'000);
    process.snapshots().ask_to_stop();
    process.stop();
    EXPECT_LT(process.loaded(0), count);
    EXPECT_EQ(fs::file_size(place.path()), bytes) << "and leaves what it has not loaded";
}

TEST_F(Snapshots, TheLastWriteIsGivenUp_AndWhatWasBeforeStays) {
    {
        Process first(path(), 1, plan_of(), 600'000);
        first.keep(1, "old");
        first.stop();
    }
    Process second(path(), 1, plan_of(), 600'000);
    wait_until([&] { return second.loaded(0) == 1 && second.loaded(1) == 1; });
    for (uint64_t i = 10; i < 50; ++i) second.keep(i, "new");
    int asked = 0;
    second.stop([&asked] { return ++asked > 5; });
    for (const char* const name : files) {
        EXPECT_EQ(models_in(name), std::multiset<std::string>{"old"}) << name;
        EXPECT_FALSE(fs::exists(path() + "/cache/" + name + ".new")) << name;
    }
}

/// Two in one directory: the second knows nothing of what the first one's files hold.
TEST_F(Snapshots, APurgeWhereAnotherHoldsTheDirectoryIsNoSuccess_AndIsMadeUpFor) {
    auto first = std::make_unique<Process>(path(), 1, plan_of(), 600'000);
    Process second(path(), 1, plan_of(), 600'000);
    first->keep(1, "m");
    EXPECT_NE(second.cache().purge({.model = "m"}).find("another Loom keeps its cache"), std::string::npos);
    first->stop();
    EXPECT_TRUE(models_in(files[0]));
    first.reset();
    wait_until(
        [&] { return !fs::exists(path() + "/cache/" + files[0]) && !fs::exists(path() + "/cache/" + files[1]); });
    EXPECT_EQ(second.cache().purge({.model = "m"}), "");
    second.keep(2, "later");
    second.stop();
    EXPECT_EQ(models_in(files[0]), std::multiset<std::string>{"later"}) << "from then on it is this one's";
}

TEST_F(Snapshots, APurgeTakesTheDirectoryWhereTheOtherHasJustEnded) {
    auto first = std::make_unique<Process>(path(), 1, plan_of(), 600'000);
    Process second(path(), 1, plan_of(), 600'000);
    first->keep(1, "m");
    first->stop();
    first.reset();
    EXPECT_EQ(second.cache().purge({.model = "m"}), "");
    for (const char* const name : files) EXPECT_FALSE(models_in(name)) << name;
}

TEST_F(Snapshots, WhereNothingCanBeLockedAPurgeRemovesTheFilesAllTheSame) {
    {
        Process first(path(), 1, plan_of(), 600'000);
        first.keep(1, "m");
        first.stop();
    }
    const std::string lock = path() + "/cache/lock";
    fs::remove(lock);
    fs::create_directory(lock);
    Process second(path(), 1, plan_of(), 600'000);
    EXPECT_TRUE(models_in(files[0]));
    EXPECT_EQ(second.cache().purge({.model = "m"}), "");
    for (const char* const name : files) EXPECT_FALSE(models_in(name)) << name;
    fs::create_directory(path() + "/cache/" + files[0]);  // what cannot be removed as a file
    EXPECT_NE(second.cache().purge({.model = "m"}).find("cannot be removed"), std::string::npos);
    EXPECT_NE(CacheSnapshots::remove_all(path()).find("cannot be removed"), std::string::npos);
    fs::remove(path() + "/cache/" + files[0]);
    EXPECT_EQ(CacheSnapshots::remove_all(path()), "");
}

/// By terms of a smaller answer than those that were kept.
TEST_F(Snapshots, AnswersThatAreTooLargeByNowAreNotKept) {
    {
        Process first(path(), 1, plan_of(8 << 20), 600'000);
        first.keep(1, "small");
        first.keep(2, "large", 40'000);
        first.keep(3, "huge", 800'000);
        first.stop();
    }
    auto plan = std::make_shared<CachePlan>(*plan_of(8 << 20));
    plan->entry_bytes_max = 10'000;
    Process second(path(), 1, plan, 600'000);
    wait_until([&] {
        const auto facts = second.snapshots().facts();
        return facts.layers[0].not_kept == 2 && facts.layers[1].not_kept == 2;
    });
    EXPECT_EQ(second.loaded(0), 1u);
    EXPECT_EQ(second.loaded(1), 1u);
}

TEST_F(Snapshots, FilledPurgedWrittenAndReadAtOnce) {
    for (int start = 0; start < 3; ++start) {
        Process process(path(), 2, plan_of(256 << 10));
        std::atomic<bool> over = false;
        std::thread purges([&] {
            while (!over) {
                process.purge("m3");
                (void)process.snapshots().facts();
                std::this_thread::sleep_for(std::chrono::milliseconds(3));  // the pace of it
            }
        });
        std::mt19937_64 random(static_cast<uint64_t>(start));
        for (int i = 0; i < 1500; ++i) {
            const uint64_t number = random() % 400;
            process.keep(number, "m" + std::to_string(number % 7), 100 + random() % 3000);
            EXPECT_LE(process.cache().totals().bytes, 256u << 10);
        }
        over = true;
        purges.join();
        if (start != 1) process.stop();  // … or it is killed
    }
}

}  // namespace
}  // namespace loom::proxy
