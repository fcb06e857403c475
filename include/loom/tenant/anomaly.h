// Sudden changes of what consumers do, each against its own usual: what it spends, how many of its requests fail, from
// where it comes, which models it asks for, at which hours of the day it works. No I/O and no clock: who feeds it says
// what time it is.
//
// The usual is learned for each consumer, and for all together, in windows. What is spent in a window, without its
// largest request, is divided by what is expected in that hour of the week (averages that forget) and the consumer's
// average; told is what exceeds `factor` times the highest such ratio of the last weeks. So a consumer sets its own
// bar: who is regular a low one, who comes in bursts a high one. Shares of errors have a bar of the same kind, below
// which chance is taken out (Wilson's bound at three deviations). Networks, models and hours that are new are told to
// who seldom has new ones. What was told is learned slowly, so that a new usual becomes one and a single event does
// not; time in which nobody looked (a stop, a clock that was set) is learned by nobody.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loom/base/hash.h"
#include "loom/tenant/activity.h"
#include "loom/tenant/alert.h"

namespace loom::tenant {

struct AnomalyProfile;

struct AnomalyOptions {
    uint32_t window_s = 3'600;              // 1..3600
    uint64_t learning_s = 14 * 86'400;      // that a consumer is looked at before anything of it is told
    uint64_t repeat_s = 86'400;             // the same is told again so much later at the earliest
    double factor = 3;                      // times the usual
    uint64_t tokens_floor = 100'000;        // in a window, below which nothing is told of spending
    Money money_floor = 5'000'000'000'000;  // likewise
    uint32_t requests_floor = 20;           // in a window, below which nothing is told of errors and hours
    size_t consumers_max = 1'000;           // that are looked at by themselves; who is listed comes first
    // Which are told. Networks, models and hours are learned all the same.
    bool spend = true, errors = true, addresses = true, models = true, hours = true;
};

class AnomalyDetector {
  public:
    using Tell = std::function<void(const Alert&)>;
    AnomalyDetector(const AnomalyOptions& options, Tell tell);
    ~AnomalyDetector();
    AnomalyDetector(const AnomalyDetector&) = delete;

    /// It is now so late. Often: of a window that it did not see pass, nothing is learned.
    void pass(int64_t now_unix_s);
    /// A request was settled, at the time that was passed last.
    void note(const Activity& activity);

    /// What is known of one, as bytes; the name of all together is "". They are good in a process of this build, or one
    /// whose profile has the same version.
    using Save = std::function<void(const std::string& name, std::string_view bytes)>;
    /// Of each whose profile has changed since it was saved last.
    void save_changed(const Save& save);
    /// False where the bytes are none of a profile of this version and window, and so are forgotten, or there is no
    /// place: it is learned anew. Of one that was noted meanwhile, what was learned for longer stays.
    bool restore(std::string_view name, std::string_view bytes);
    /// The names of those who were forgotten since the last call: nothing was heard of them for `forget_s`, one who is
    /// listed took the place of one whom only a token knows, or their bytes were of no use. One may be known again
    /// since.
    [[nodiscard]] std::vector<std::string> take_forgotten();
    static constexpr uint64_t forget_s = 90 * 86'400;

    [[nodiscard]] size_t consumer_count() const noexcept { return profiles_.size(); }
    [[nodiscard]] size_t learned_count() const noexcept;
    [[nodiscard]] uint64_t unwatched() const noexcept { return unwatched_; }
    /// Of one consumer, with its name.
    static const size_t profile_bytes;

  private:
    struct Work;
    AnomalyProfile* profile_of(std::string_view name);
    [[nodiscard]] bool make_place(std::string_view name);
    void put(std::string_view name, std::unique_ptr<AnomalyProfile> profile);
    void begin_window(int64_t window);
    void forget_hour();
    void close_window();
    void look(AnomalyProfile& profile, LimitScope scope, std::string_view name, const Activity& activity);
    void look_at_spend(const Work& work);
    void look_at_errors(const Work& work);
    [[nodiscard]] bool is_outage() const noexcept;
    void look_at_address(const Work& work);
    void look_at_model(const Work& work);
    void look_at_hours(const Work& work);
    [[nodiscard]] bool knows(const AnomalyProfile& profile) const noexcept;
    [[nodiscard]] bool second_half(const AnomalyProfile& profile) const noexcept;
    [[nodiscard]] bool may_tell(const AnomalyProfile& profile, AlertType type) const noexcept;
    void tell(const Work& work, AlertType type, const AnomalyFacts& facts, BudgetUnit unit = BudgetUnit::tokens);
    void learn(AnomalyProfile& profile);
    void learn_spend(AnomalyProfile& profile);
    void learn_errors(AnomalyProfile& profile);

    const AnomalyOptions options_;
    const Tell tell_;
    std::unordered_map<std::string, std::unique_ptr<AnomalyProfile>, StringHash, std::equal_to<>> profiles_;
    std::unique_ptr<AnomalyProfile> all_;
    size_t unlisted_ = 0;  // of profiles_: whom only a token knows
    std::vector<std::string> forgotten_;
    int64_t now_s_ = 0;
    int64_t window_ = INT64_MIN;
    bool window_whole_ = false;  // it was seen from its beginning
    uint64_t unwatched_ = 0;
};

/// The network that an address counts as: "203.0.113.0/24", "2001:db8:1:2::/64".
[[nodiscard]] std::string anomaly_network(const IpBytes& ip);

}  // namespace loom::tenant
