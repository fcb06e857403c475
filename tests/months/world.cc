#include "world.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "../store/directory.h"
#include "database.h"
#include "loom/tenant/consumer.h"
#include "spent.h"

namespace loom::months {

namespace fs = std::filesystem;

namespace {

constexpr int64_t start_day = 19'709;  // 2023-12-18
constexpr uint64_t units_of_a_day = 9'000;
constexpr size_t complaints_max = 8;

std::string new_directory() {
    std::string path = std::string(store::Directory::quick()) + "/loom-months-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) path.clear();
    return path;
}

}  // namespace

World::World(uint64_t seed, uint64_t requests, int days)
    : random_(seed),
      requests_max_(requests),
      start_s_(start_day * day_s),
      end_s_(start_s_ + days * day_s),
      shared_(seed % 3 == 0) {
    result_.days = days;
    for (const char* const tenant : {"acme", "globex", ""})
        for (const char* const team : {"core", "web", "data"})
            for (int i = 0; i < 3; ++i)
                owners_.push_back({fmt::format("{}-{}-{}", *tenant == '\0' ? "own" : tenant, team, i),
                                   *tenant == '\0' && i == 0 ? "" : team, tenant});
    directory_ = new_directory();
    for (size_t i = 0; i < owners_.size(); ++i) {
        Window window;
        window.limit.scope = LimitScope::consumer;
        window.limit.name = owners_[i].consumer;
        if (i % 3 == 0) {
            window.limit.terms.tokens = tenant::WindowTerms::of(random_.between(2'000, 9'000), 600'000);
            window.limit.terms.tokens_window_ms = 600'000;
        }
        windows_.push_back(std::move(window));
    }
}

World::~World() {
    flights_.clear();
    shards_.clear();
    store_.reset();
    fs::remove_all(directory_);
}

void World::complain(std::string what) {
    if (result_.complaints.size() >= complaints_max) return;
    result_.complaints.push_back(
        fmt::format("day {} of {}, life {}, request {}: {}", at_s_ / day_s, result_.days, life_, flight_number_, what));
}

WorldResult World::run() {
    begin_life();
    while (start_s_ + at_s_ < end_s_ && result_.complaints.empty()) {
        pass_time();
        const uint64_t draw = random_.below(1'000);
        if (draw < 420 && flights_.size() < 60 && result_.requests < requests_max_)
            begin_request();
        else if (!flights_.empty())
            go_on(std::next(flights_.begin(), static_cast<ptrdiff_t>(random_.below(flights_.size()))));
        for (size_t shard = 0; shard < shard_count; ++shard)
            if (!random_.chance(200)) write_some(shard);
        if (shared_ && random_.chance(150)) draw_leases();
        const uint64_t rare = random_.below(40'000);
        if (rare < 8)
            reload();
        else if (rare < 10)
            check_sums();
        else if (rare < 11)
            restart();
        else if (rare < 13)
            kill();
        else if (rare < 15)
            age_segments();
    }
    while (!flights_.empty()) finish(flights_.begin(), false);
    check_sums();
    end_life(false);
    const auto verdict = store::verify_ledger(directory_);
    if (!verdict) complain(verdict.error());
    if (verdict)
        for (const std::string& difference : verdict->differences) complain("ledger verify: " + difference);
    return result_;
}

/// Seconds within a burst; then hours, often to a moment before midnight, where all borders lie.
void World::pass_time() {
    const uint64_t steps_left =
        std::max<uint64_t>(1, (requests_max_ - std::min(requests_max_, result_.requests)) * 5 / 2);
    const auto left_s = static_cast<uint64_t>(std::max<int64_t>(1, end_s_ - start_s_ - at_s_));
    at_s_ += static_cast<int64_t>(random_.below(3));
    if (random_.chance(2))
        skew_s_ = random_.chance(500) ? 0 : -static_cast<int64_t>(random_.below(random_.chance(100) ? 3'600 : 60));
    constexpr uint64_t jumps_per_mille = 4;
    if (!random_.chance(jumps_per_mille)) return;
    const uint64_t usual = left_s * 1'000 / (steps_left * jumps_per_mille) + 1;
    const int64_t midnight = (at_s_ / day_s + 1) * day_s;
    while (flights_.size() > 12 && !random_.chance(50)) finish(flights_.begin(), false);
    if (random_.chance(400) && midnight - at_s_ < static_cast<int64_t>(usual * 4))
        at_s_ = std::max(at_s_, midnight - static_cast<int64_t>(random_.below(20)));
    else
        at_s_ += static_cast<int64_t>(random_.below(usual * 2));
}

void World::begin_life() {
    life_ += 1;
    auto opened = store::UsageStore::open({.directory = directory_,
                                           .shard_count = shard_count,
                                           .segment_bytes = 64 * 1024,
                                           .sync_interval_ms = 0,
                                           .fold_interval_ms = 20,
                                           .keep_s = 3'600,
                                           .retention_interval_ms = 30});
    if (!opened) return complain("the ledger cannot be opened: " + opened.error());
    store_ = std::move(*opened);
    for (uint32_t i = 0; i < shard_count; ++i) {
        shards_.push_back(std::make_unique<Shard>());
        shards_.back()->log = std::make_unique<store::LedgerLog>(shards_.back()->sim.shard(), store_->channel(i));
    }
    table_ = std::make_unique<tenant::BudgetTable>();
    table_->ask_of([this](LimitScope scope, std::string_view name, tenant::PeriodSpan span) {
        return app::spent_in(*store_, scope, name, span);
    });
    model_rows_.clear();
    for (Window& window : windows_) {  // what was used of them dies with the process
        window.taken.clear();
        window.limit.tokens = std::make_shared<tenant::RateWindow>();
        window.limit.level = std::make_shared<tenant::LimitLevel>();
    }
    config_ = draw_config();
    check_budgets(*config_, "behind a start");
}

/// What was under way is known by its intent alone, where that is written.
void World::end_life(bool killed) {
    flights_.clear();
    config_.reset();
    if (!killed) drain();
    for (const auto& [id, one] : written_) {
        if (!one.intent_there) continue;
        result_.lost += 1;
        ledger_.book_lost(one.attempt);
    }
    written_.clear();
    table_.reset();
    // Of a process that was killed nobody reads what its threads do from here on.
    for (auto& shard : shards_)
        for (shard->sim.tick(); !shard->log->idle(); shard->sim.tick())
            while (const sim::Operation* const one = shard->sim.ring().oldest(sim::Op::write))
                shard->sim.ring().complete(one->fd, sim::Op::write, static_cast<int>(one->bytes.size()));
    shards_.clear();
    store_.reset();
}

void World::restart() {
    result_.restarts += 1;
    if (random_.chance(500))
        while (!flights_.empty()) finish(flights_.begin(), false);
    end_life(false);
    begin_life();
    check_sums();
}

/// The process is gone, with writes half done; what the disk has at this moment is what the next start finds.
void World::kill() {
    result_.kills += 1;
    for (uint64_t ticks = random_.below(4); ticks > 0;
         --ticks) {  // each shard's last writes, which nobody has seen end
        for (uint64_t i = random_.below(8); i > 0; --i)
            if (random_.chance(500) || flights_.empty())
                begin_request();
            else
                finish(flights_.begin(), false);
        for (auto& shard : shards_) shard->sim.tick();
    }
    const std::string left = copy_as_killed();
    tear_writes(left);
    end_life(true);
    fs::remove_all(directory_);
    directory_ = left;
    begin_life();
    check_sums();
}

/// Nothing is committed meanwhile, as nothing is while the copy of a disk is made in no time.
std::string World::copy_as_killed() {
    const std::string copy = new_directory();
    auto holder = store::Database::open(directory_ + "/usage.db");
    bool held = false;
    for (int i = 0; i < 1'000 && holder && !held; ++i) {
        held = holder->run("BEGIN IMMEDIATE").has_value();
        if (!held) ::usleep(1'000);
    }
    if (!held) complain("the database cannot be held still");
    fs::create_directories(copy + "/ledger");
    fs::permissions(copy + "/ledger", fs::perms::owner_all);
    std::error_code gone;
    for (const char* const name : {"usage.db", "usage.db-wal"})
        fs::copy_file(directory_ + "/" + name, copy + "/" + name, gone);
    for (const auto& entry : fs::directory_iterator(directory_ + "/ledger")) {
        const fs::path to = fs::path(copy) / "ledger" / entry.path().filename();
        fs::copy_file(entry.path(), to, gone);
        const auto time = fs::last_write_time(entry.path(), gone);
        if (!gone) fs::last_write_time(to, time, gone);
    }
    if (held) (void)holder->run("ROLLBACK");
    return copy;
}

/// Writes that are under way: of each nothing, a part or all has reached the disk, whatever became of those before it.
void World::tear_writes(const std::string& directory) {
    for (auto& shard : shards_)
        while (const sim::Operation* const one = shard->sim.ring().oldest(sim::Op::write)) {
            const uint64_t draw = random_.below(3);
            const size_t bytes = draw == 0 ? 0 : draw == 1 ? one->bytes.size() : random_.below(one->bytes.size());
            const fs::path name = fs::read_symlink(fmt::format("/proc/self/fd/{}", one->fd)).filename();
            std::fstream file(fs::path(directory) / "ledger" / name, std::ios::binary | std::ios::in | std::ios::out);
            file.seekp(static_cast<std::streamoff>(one->offset));
            file.write(one->bytes.data(), static_cast<std::streamsize>(bytes));
            if (bytes > 0 && bytes < one->bytes.size()) result_.torn += 1;
            note_written(std::string_view(one->bytes).substr(0, bytes));
            shard->sim.ring().complete(one->fd, sim::Op::write, static_cast<int>(one->bytes.size()));
        }
}

tenant::BudgetTerms World::draw_terms(uint64_t of_day) {
    const auto around = [&](uint64_t usual) { return random_.chance(400) ? 0 : random_.between(usual / 3, usual * 2); };
    return {around(of_day), around(of_day * 4), around(of_day * 14)};
}

std::shared_ptr<World::ModelMeters> World::model_meters(LimitScope scope, const std::string& name) {
    auto& row = model_rows_[std::string(limit_scope_name(scope)) + ":" + name];
    if (auto known = row.lock()) return known;
    auto made = std::make_shared<ModelMeters>();
    made->tokens.shared = made->money.shared = shared_;
    for (int period = 0; period < 3; ++period) {
        const auto i = static_cast<size_t>(period);
        const auto [from, to] = calendar_.span(period, wall_s());
        const bool by_team = scope == LimitScope::team;
        const ModelLedger::Groups groups = ledger_.sums(by_team ? "team" : "consumer", from, to);
        Booked spent;
        for (const auto& [of, booked] : groups)
            if (scope == LimitScope::global || of == name) spent.add(booked);
        made->tokens.id[i] = made->money.id[i] = calendar_.at(wall_s()).id[i];
        made->tokens.spent[i] = spent.input + spent.output;
        made->money.spent[i] = nano(static_cast<int64_t>(spent.cost));
    }
    row = made;
    return made;
}

/// Some have budgets and some have none; a reload changes who and how much.
std::shared_ptr<World::Config> World::draw_config() {
    auto config = std::make_shared<Config>();
    config->of_owner.resize(owners_.size());
    std::map<std::string, BudgetPair*> teams;
    BudgetPair* global = nullptr;
    const auto add = [&](LimitScope scope, const std::string& name, uint64_t of_day) {
        BudgetPair& pair = config->budgets.emplace_back();
        pair.real.scope = scope;
        pair.real.name = name;
        pair.real.tokens = draw_terms(of_day);
        pair.real.money = draw_terms(of_day * 4'000);
        pair.real.meters = table_->meters(scope, name, wall_s());
        pair.model = model_meters(scope, name);
        if (!shared_) return &pair;
        pair.real.meters->tokens.share();
        pair.real.meters->money.share();
        return &pair;
    };
    for (size_t i = 0; i < owners_.size(); ++i) {
        const Owner& owner = owners_[i];
        if (random_.chance(800))
            config->of_owner[i].push_back(add(LimitScope::consumer, owner.consumer, units_of_a_day));
        if (owner.team.empty()) continue;
        BudgetPair*& team = teams[owner.team_key()];
        if (team == nullptr && random_.chance(800))
            team = add(LimitScope::team, owner.team_key(), units_of_a_day * 5 / 2);
        if (team != nullptr) config->of_owner[i].push_back(team);
    }
    if (random_.chance(700)) global = add(LimitScope::global, "", units_of_a_day * 18);
    if (global != nullptr)
        for (auto& one : config->of_owner) one.push_back(global);
    return config;
}

/// What is new asks the ledger, which has to know what was settled by then; what is known stays as it is.
void World::reload() {
    result_.reloads += 1;
    drain();
    config_ = draw_config();
    check_budgets(*config_, "behind a reload");
}

void World::draw_leases() {
    const auto& now = calendar_.at(wall_s()).id;
    const tenant::PeriodNumbers numbers = tenant::period_numbers(wall_s());
    for (BudgetPair& pair : config_->budgets)
        for (const bool tokens : {true, false}) {
            const auto& terms = tokens ? pair.real.tokens : pair.real.money;
            for (size_t i = 0; i < 3; ++i) {
                ModelMeter& model = tokens ? pair.model->tokens : pair.model->money;
                if (model.lease[i].id == now[i] && !random_.chance(5)) continue;
                const bool open = random_.chance(50);
                const uint64_t units = random_.below(terms[i] * 6 / 5 + 1);
                model.lease[i] = {.id = now[i], .units = units, .open = open};
                tenant::BudgetMeter& real = tokens ? pair.real.meters->tokens : pair.real.meters->money;
                (void)real.set_lease(tenant::budget_periods[i], numbers, open ? tenant::Lease::open : units);
            }
        }
}

}  // namespace loom::months
