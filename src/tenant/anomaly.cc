#include "loom/tenant/anomaly.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "anomaly_profile.h"

namespace loom::tenant {
namespace {

constexpr uint64_t name_bytes = 256;       // of a consumer, its place in the table included
constexpr int64_t unseen_windows_max = 2;  // that may end between two looks: a thread that was late, and no stop
constexpr int64_t unseen_s_max = 10;       // likewise, of short windows
constexpr uint64_t activity_share = 28;    // one in so many windows of the learning time must have had any

size_t index_of(AlertType type) noexcept {
    return static_cast<size_t>(type) - static_cast<size_t>(AlertType::spend_anomaly);
}

struct SavedHead {
    uint32_t version = AnomalyProfile::version;
    uint32_t bytes = sizeof(AnomalyProfile);
};
static_assert(std::is_trivially_copyable_v<AnomalyProfile>, "it is saved byte by byte");

bool is_unlisted(std::string_view name) noexcept { return name.starts_with(token_consumer_prefix); }

/// What is told is over at this part of its limit: at half of it, or at the usual where that is more.
double over_divisor(double factor) noexcept { return std::min(2.0, factor); }

IpBytes network_of(const IpBytes& ip) noexcept {
    IpBytes network = ip;
    std::fill(network.begin() + (is_ipv4(ip) ? 15 : 8), network.end(), uint8_t{0});
    return network;
}

/// Null: the bytes are none of a profile of this version.
std::unique_ptr<AnomalyProfile> read_profile(std::string_view bytes) {
    SavedHead head;
    if (bytes.size() != sizeof head + sizeof(AnomalyProfile)) return nullptr;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.version != AnomalyProfile::version || head.bytes != sizeof(AnomalyProfile)) return nullptr;
    auto profile = std::make_unique<AnomalyProfile>();
    std::memcpy(static_cast<void*>(profile.get()), bytes.data() + sizeof head, sizeof(AnomalyProfile));
    return profile->sound() ? std::move(profile) : nullptr;
}

}  // namespace

std::string anomaly_network(const IpBytes& ip) {
    if (is_ipv4(ip)) return fmt::format("{}.{}.{}.0/24", ip[12], ip[13], ip[14]);
    std::string text;
    size_t groups = 4;
    while (groups > 0 && ip[2 * groups - 2] == 0 && ip[2 * groups - 1] == 0) groups -= 1;
    for (size_t i = 0; i < groups; ++i)
        text += fmt::format("{}{:x}", i == 0 ? "" : ":", unsigned{ip[2 * i]} << 8 | ip[2 * i + 1]);
    return text + "::/64";
}

const size_t AnomalyDetector::profile_bytes = sizeof(AnomalyProfile) + name_bytes;

/// One request of one of those whose usual it is held against.
struct AnomalyDetector::Work {
    AnomalyProfile& profile;
    LimitScope scope;
    std::string_view name;
    const Activity& activity;
};

AnomalyDetector::AnomalyDetector(const AnomalyOptions& options, Tell tell)
    : options_(options), tell_(std::move(tell)), all_(std::make_unique<AnomalyProfile>()) {
    all_->window_s = options_.window_s;
}

AnomalyDetector::~AnomalyDetector() = default;

size_t AnomalyDetector::learned_count() const noexcept {
    return static_cast<size_t>(
        std::ranges::count_if(profiles_, [this](const auto& one) { return knows(*one.second); }));
}

bool AnomalyDetector::second_half(const AnomalyProfile& profile) const noexcept {
    return profile.seen_s >= options_.learning_s / 2;
}

/// It was looked at long enough, and had something to look at.
bool AnomalyDetector::knows(const AnomalyProfile& profile) const noexcept {
    const uint64_t least = std::max<uint64_t>(1, options_.learning_s / options_.window_s / activity_share);
    return profile.seen_s >= options_.learning_s && profile.active_count >= least;
}

void AnomalyDetector::pass(int64_t now_unix_s) {
    const auto width = static_cast<int64_t>(options_.window_s);
    const int64_t window = now_unix_s / width;
    now_s_ = now_unix_s;
    if (window == window_) return;
    const int64_t unseen_max = std::max(unseen_windows_max, unseen_s_max / width);
    const bool first = window_ == INT64_MIN;
    const bool went_on = !first && window > window_ && window - window_ <= unseen_max;
    if (!went_on) {
        begin_window(window);
        forget_hour();
        window_whole_ = false;
        return;
    }
    while (window_ < window) {
        close_window();
        begin_window(window_ + 1);
        window_whole_ = true;
    }
}

/// What the one before had is let go.
void AnomalyDetector::begin_window(int64_t window) {
    window_ = window;
    const auto begin = [](AnomalyProfile& profile) {
        const bool changed = profile.at_hand.changed;
        profile.at_hand = {};
        profile.at_hand.changed = changed;
    };
    begin(*all_);
    for (auto& [name, profile] : profiles_) begin(*profile);
}

/// The one at hand was not seen to its end.
void AnomalyDetector::forget_hour() {
    const auto forget = [](AnomalyProfile& profile) {
        for (UsualSpend& one : profile.spend) {
            one.hour_sum = 0;
            one.hour_windows = 0;
        }
    };
    forget(*all_);
    for (auto& [name, profile] : profiles_) forget(*profile);
}

void AnomalyDetector::close_window() {
    if (!window_whole_) return;
    learn(*all_);
    std::erase_if(profiles_, [this](auto& one) {
        AnomalyProfile& profile = *one.second;
        learn(profile);
        if (profile.seen_s - profile.active_s < forget_s) return false;
        if (is_unlisted(one.first)) unlisted_ -= 1;
        forgotten_.push_back(one.first);
        return true;
    });
}

std::vector<std::string> AnomalyDetector::take_forgotten() { return std::exchange(forgotten_, {}); }

/// Of the window that ends.
void AnomalyDetector::learn(AnomalyProfile& profile) {
    if (profile.at_hand.requests > 0) {
        profile.active_s = profile.seen_s;
        if (second_half(profile) && profile.active_count < UINT32_MAX) profile.active_count += 1;
    }
    learn_spend(profile);
    learn_errors(profile);
    profile.hours.pass(options_.window_s, options_.learning_s);
    const auto kept = static_cast<float>(
        left_after(options_.window_s, novelty_half_lives * static_cast<double>(options_.learning_s)));
    profile.networks.novelty *= kept;
    profile.models.novelty *= kept;
    profile.seen_s += options_.window_s;
    profile.at_hand.changed = true;
}

void AnomalyDetector::learn_spend(AnomalyProfile& profile) {
    const int64_t begin_s = window_ * static_cast<int64_t>(options_.window_s);
    const size_t hour = week_hour_of(begin_s);
    const double factor = knows(profile) ? options_.factor : 0;
    bool over = true;
    for (size_t unit = 0; unit < profile.spend.size(); ++unit) {
        UsualSpend& usual = profile.spend[unit];
        const auto floor = static_cast<double>(unit == 0 ? options_.tokens_floor : budget_units(options_.money_floor));
        double amount = profile.at_hand.amount(unit);
        const double limit = usual.limit(hour, floor, options_.factor);
        if (amount > limit / over_divisor(options_.factor)) over = false;
        if (second_half(profile)) usual.learn_ratio(amount / usual.scale(hour, floor), options_.window_s, factor > 0);
        if (factor > 0) amount = std::min(amount, limit);
        usual.learn(amount, options_.window_s);
        const bool hour_ends = week_hour_of(begin_s + static_cast<int64_t>(options_.window_s)) != hour;
        if (hour_ends) usual.end_hour(hour);
    }
    if (over) profile.active[index_of(AlertType::spend_anomaly)] = 0;
}

void AnomalyDetector::learn_errors(AnomalyProfile& profile) {
    const auto learn_one = [&](UsualErrors& usual, uint32_t errors, AlertType type) {
        const double factor = knows(profile) ? options_.factor : 0;
        const uint32_t requests = profile.at_hand.requests;
        // Of one whose requests fail often the usual is above half of the limit.
        const double over_share = std::max(usual.limit(options_.factor) / 2, usual.usual());
        const bool over = errors <= over_share * requests;
        if (over) profile.active[index_of(type)] = 0;
        usual.learn(requests, errors, options_.window_s, options_.requests_floor, factor);
    };
    learn_one(profile.client_errors, profile.at_hand.client_errors, AlertType::client_errors_anomaly);
    learn_one(profile.provider_errors, profile.at_hand.provider_errors, AlertType::provider_errors_anomaly);
}

AnomalyProfile* AnomalyDetector::profile_of(std::string_view name) {
    if (const auto found = profiles_.find(name); found != profiles_.end()) return found->second.get();
    if (!make_place(name)) return nullptr;
    auto made = std::make_unique<AnomalyProfile>();
    made->window_s = options_.window_s;
    AnomalyProfile* const profile = made.get();
    put(name, std::move(made));
    return profile;
}

void AnomalyDetector::put(std::string_view name, std::unique_ptr<AnomalyProfile> profile) {
    if (is_unlisted(name)) unlisted_ += 1;
    profiles_.emplace(std::string(name), std::move(profile));
}

/// Names in tokens are as many as their issuers like: they leave room to who is listed, the longest idle first.
bool AnomalyDetector::make_place(std::string_view name) {
    if (profiles_.size() < options_.consumers_max) return true;
    if (unlisted_ == 0 || is_unlisted(name)) return false;
    const auto idle_s = [](const AnomalyProfile& profile) {
        return profile.at_hand.requests > 0 ? 0 : profile.seen_s - std::min(profile.seen_s, profile.active_s) + 1;
    };
    auto idlest = profiles_.end();
    for (auto one = profiles_.begin(); one != profiles_.end(); ++one)
        if (is_unlisted(one->first) && (idlest == profiles_.end() || idle_s(*one->second) > idle_s(*idlest->second)))
            idlest = one;
    forgotten_.push_back(idlest->first);
    profiles_.erase(idlest);
    unlisted_ -= 1;
    return true;
}

/// All together first: what is everybody's is not told of each.
void AnomalyDetector::note(const Activity& activity) {
    look(*all_, LimitScope::global, "", activity);
    AnomalyProfile* const profile = profile_of(activity.consumer.view());
    if (profile == nullptr)
        unwatched_ += 1;
    else
        look(*profile, LimitScope::consumer, activity.consumer.view(), activity);
    if (activity.model.view().empty()) return;
    constexpr uint32_t forget_h = forget_s / 3'600;
    (void)all_->models.use(hash64(activity.model.view()), all_->seen_h(), forget_h);
}

void AnomalyDetector::look(AnomalyProfile& profile, LimitScope scope, std::string_view name, const Activity& activity) {
    AnomalyProfile::Window& window = profile.at_hand;
    window.changed = true;
    window.requests += 1;
    window.client_errors += activity.client_error ? 1 : 0;
    window.provider_errors += activity.provider_error ? 1 : 0;
    const std::array<double, 2> amounts = {static_cast<double>(activity.tokens),
                                           static_cast<double>(budget_units(std::max<Money>(activity.cost, 0)))};
    for (size_t unit = 0; unit < amounts.size(); ++unit) {
        window.sum[unit] += amounts[unit];
        window.largest[unit] = std::max(window.largest[unit], amounts[unit]);
    }
    const Work work{.profile = profile, .scope = scope, .name = name, .activity = activity};
    if (options_.spend) look_at_spend(work);
    if (options_.errors) look_at_errors(work);
    if (scope == LimitScope::global) return;
    // Learned also where they are not told: who adds a kind later is not told of all that is there.
    look_at_address(work);
    look_at_model(work);
    look_at_hours(work);
}

bool AnomalyDetector::may_tell(const AnomalyProfile& profile, AlertType type) const noexcept {
    const uint64_t told_s = profile.told_s[index_of(type)];
    return knows(profile) && profile.active[index_of(type)] == 0 &&
           (told_s == 0 || profile.seen_s + 1 - told_s >= options_.repeat_s);
}

void AnomalyDetector::look_at_spend(const Work& work) {
    const size_t hour = week_hour_of(window_ * static_cast<int64_t>(options_.window_s));
    for (const BudgetUnit unit : {BudgetUnit::tokens, BudgetUnit::money}) {
        const bool tokens = unit == BudgetUnit::tokens;
        const auto floor = static_cast<double>(tokens ? options_.tokens_floor : budget_units(options_.money_floor));
        const size_t at = tokens ? 0 : 1;
        const double amount = work.profile.at_hand.amount(at);
        if (amount <= floor || !may_tell(work.profile, AlertType::spend_anomaly)) continue;
        const UsualSpend& usual = work.profile.spend[at];
        if (amount <= usual.limit(hour, floor, options_.factor)) continue;
        tell(work, AlertType::spend_anomaly,
             {.value = static_cast<uint64_t>(work.profile.at_hand.sum[at]),
              .usual = static_cast<uint64_t>(std::max(usual.high * usual.scale(hour, floor), usual.expected(hour)))},
             unit);
    }
}

/// Requests of all together fail: also where that is not told again yet.
bool AnomalyDetector::is_outage() const noexcept {
    if (all_->active[index_of(AlertType::provider_errors_anomaly)] != 0) return true;
    const AnomalyProfile::Window& window = all_->at_hand;
    return knows(*all_) && window.requests >= options_.requests_floor &&
           least_share(window.provider_errors, window.requests) > all_->provider_errors.limit(options_.factor);
}

void AnomalyDetector::look_at_errors(const Work& work) {
    const AnomalyProfile::Window& window = work.profile.at_hand;
    if (window.requests < options_.requests_floor) return;
    const auto look_at = [&](const UsualErrors& usual, uint32_t errors, AlertType type) {
        if (!may_tell(work.profile, type) || least_share(errors, window.requests) <= usual.limit(options_.factor))
            return;
        tell(work, type, {.value = errors, .usual = static_cast<uint64_t>(usual.usual() * 1'000)});
    };
    if (work.activity.client_error)
        look_at(work.profile.client_errors, window.client_errors, AlertType::client_errors_anomaly);
    if (work.activity.provider_error && (work.scope == LimitScope::global || !is_outage()))
        look_at(work.profile.provider_errors, window.provider_errors, AlertType::provider_errors_anomaly);
}

/// Those whom nobody knows by a key are many.
void AnomalyDetector::look_at_address(const Work& work) {
    if (!work.activity.identified || !work.activity.has_ip) return;
    AnomalyProfile& profile = work.profile;
    const IpBytes network = network_of(work.activity.ip);
    constexpr uint32_t forget_h = forget_s / 3'600;
    const uint64_t key = hash64({reinterpret_cast<const char*>(network.data()), network.size()});
    if (profile.networks.use(key, profile.seen_h(), forget_h) || !second_half(profile)) return;
    const bool seldom = profile.networks.novelty < novelty_max && profile.seen_h() >= profile.networks.crowded_until_h;
    profile.networks.novelty += 1;
    if (!options_.addresses || !seldom || !knows(profile)) return;
    tell(work, AlertType::new_address, {.subject = std::string_view(anomaly_network(work.activity.ip))});
}

/// One that is new here for everybody is told of the first who asks for it, and not of those who follow.
void AnomalyDetector::look_at_model(const Work& work) {
    const std::string_view model = work.activity.model.view();
    if (model.empty()) return;
    AnomalyProfile& profile = work.profile;
    constexpr uint32_t forget_h = forget_s / 3'600;
    const uint64_t key = hash64(model);
    const uint32_t* const first_h = all_->models.first_use(key);
    const bool of_late = first_h != nullptr && all_->seen_s >= options_.learning_s && *first_h > 0 &&
                         all_->seen_h() - *first_h < options_.learning_s / 3'600;
    if (profile.models.use(key, profile.seen_h(), forget_h) || !second_half(profile)) return;
    const bool seldom = profile.models.novelty < novelty_max && profile.seen_h() >= profile.models.crowded_until_h;
    profile.models.novelty += 1;
    if (!options_.models || !seldom || of_late || !knows(profile)) return;
    tell(work, AlertType::new_model, {.subject = model});
}

void AnomalyDetector::look_at_hours(const Work& work) {
    AnomalyProfile& profile = work.profile;
    profile.hours.work(now_s_);
    if (profile.hours.unusual == 0 || profile.at_hand.requests < options_.requests_floor) return;
    profile.hours.unusual = 0;
    if (!second_half(profile)) return;
    const bool seldom = profile.hours.novelty < novelty_max;
    profile.hours.novelty += 1;
    if (options_.hours && seldom && may_tell(profile, AlertType::unusual_hours))
        tell(work, AlertType::unusual_hours, {});
    profile.active[index_of(AlertType::unusual_hours)] = 0;  // its next day is another one
}

void AnomalyDetector::tell(const Work& work, AlertType type, const AnomalyFacts& facts, BudgetUnit unit) {
    work.profile.active[index_of(type)] = 1;
    work.profile.told_s[index_of(type)] = work.profile.seen_s + 1;
    Alert alert;
    alert.type = type;
    alert.unix_s = now_s_;
    alert.scope = work.scope;
    alert.name = work.name;
    alert.unit = unit;
    alert.anomaly = facts;
    alert.anomaly.requests = work.profile.at_hand.requests;
    alert.anomaly.window_s = options_.window_s;
    alert.anomaly.repeat_s = static_cast<uint32_t>(options_.repeat_s);
    tell_(alert);
}

void AnomalyDetector::save_changed(const Save& save) {
    std::string bytes;
    const auto save_one = [&](const std::string& name, AnomalyProfile& profile) {
        if (!profile.at_hand.changed) return;
        profile.at_hand.changed = false;
        const SavedHead head;
        bytes.assign(reinterpret_cast<const char*>(&head), sizeof head);
        bytes.append(reinterpret_cast<const char*>(&profile), sizeof profile);
        save(name, bytes);
    };
    save_one("", *all_);
    for (auto& [name, profile] : profiles_) save_one(name, *profile);
}

bool AnomalyDetector::restore(std::string_view name, std::string_view bytes) {
    std::unique_ptr<AnomalyProfile> profile = read_profile(bytes);
    if (profile == nullptr || profile->window_s != options_.window_s) {
        forgotten_.emplace_back(name);  // nobody will read it
        return false;
    }
    profile->at_hand = {};
    const auto found = profiles_.find(name);
    if (name.empty() || found != profiles_.end()) {
        std::unique_ptr<AnomalyProfile>& present = name.empty() ? all_ : found->second;
        if (present->seen_s > profile->seen_s) return true;
        profile->at_hand = present->at_hand;
        present = std::move(profile);
        return true;
    }
    if (!make_place(name)) return false;
    put(name, std::move(profile));
    return true;
}

}  // namespace loom::tenant
