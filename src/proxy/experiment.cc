// Who is led to another model than the one asked for, and what became of it.
#include "client_connection.h"
#include "exchange.h"
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
    if (user.empty()) user = client_text_.empty() ? client_.peer_text(address) : client_text_;
    arm_ = &experiment->arm_of(user);
}

/// Who can take the request: of its arm's model, else of the one asked for.
route::ModelMatch Exchange::match() const noexcept {
    const bool led_elsewhere = arm_ != nullptr && !arm_->model.empty();
    return plan().catalogue.match(led_elsewhere ? std::string_view(arm_->model) : model_);
}

void Exchange::book_arm(observe::Outcome outcome, uint64_t duration_us) {
    const llm::Usage& used = usage();
    services_.metrics().arm_done(arm_->label_ix, outcome, duration_us, {.input = used.input, .output = used.output});
}

}  // namespace loom::proxy
