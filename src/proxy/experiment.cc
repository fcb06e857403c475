// Who is led to another model than the one asked for, and what became of it.
#include "client_connection.h"
#include "exchange.h"
#include "selection.h"
#include "translated.h"

namespace loom::proxy {

/// By who asks, so that everybody stays where they are: the user, else the consumer, else the address. Requests that
/// are read: others could not be made anew for another model. A route with a provider of its own leads nowhere else.
void Exchange::choose_arm(const llm::Request& request) {
    arm_ = nullptr;
    if (!llm::is_inspected(endpoint_) || route_->provider_ix >= 0) return;
    const route::Experiment* const experiment = route::find_experiment(plan().experiments, model_);
    if (experiment == nullptr) return;
    std::array<char, 64> address;
    std::string_view user = user_of(request);
    if (user.empty()) user = client_text_.empty() ? client_->peer_text(address) : client_text_;
    arm_ = &experiment->arm_of(user);
    if (!arm_->model.empty() && !may_lead(request)) leave_arm();
}

/// To the arm's model. Who must not be asked for it, by its consumer, access rules, regions, rules or needs, keeps to
/// its own.
bool Exchange::may_lead(const llm::Request& request) {
    const route::ModelMatch match = this->match();
    if (!may_be_led_to(routed_model(), request)) return false;
    if (match.candidates.empty() || narrow(match, request)) return true;
    detail_ = {};
    return false;
}

/// Back to what the client asked for.
void Exchange::leave_arm() noexcept {
    arm_ = nullptr;
    if (selection_ == nullptr) return;
    selection_->unfit.reset();  // which were of the arm's candidates
    selection_->order = {};
    selection_->regions = {};
}

/// The model that the request is for: its arm's, else the one that its client named.
std::string_view Exchange::asked_model() const noexcept {
    return arm_ != nullptr && !arm_->model.empty() ? std::string_view(arm_->model) : model_;
}

void Exchange::book_arm(observe::Outcome outcome, uint64_t duration_us) {
    const llm::Usage& used = usage();
    services_.metrics().arm_done(arm_->label_ix, outcome, duration_us, {.input = used.input, .output = used.output});
}

}  // namespace loom::proxy
