#include "plan/mirror.h"

#include <algorithm>

#include "plan/experiment.h"

namespace loom::app {
namespace {

/// The shadow alone, whatever its weight; without what is known of it: a copy that fails is no word on requests.
route::CatalogueOptions of_shadow(const route::CatalogueOptions& options, const std::string& shadow) {
    route::CatalogueOptions own{.providers = options.providers,
                                .mappings = options.mappings,
                                .selection = {shadow},
                                .model_label = options.model_label};
    for (route::ProviderOptions& one : own.providers) {
        one.weight = 1;
        one.state = nullptr;
        one.limits = nullptr;  // which a copy enters by its provider
        one.instances = nullptr;
        one.control = nullptr;  // an operator drains who answers clients
    }
    return own;
}

}  // namespace

void fill_mirror(const config::Config& config, proxy::Plan& plan, const route::CatalogueOptions& options,
                 std::vector<std::string>& messages) {
    const std::string& shadow = config.text("routing.mirror.provider");
    const bool active = std::ranges::find(plan.providers, shadow, &proxy::ProviderPlan::name) != plan.providers.end();
    if (shadow.empty() || !active) return;
    auto catalogue = route::Catalogue::build(of_shadow(options, shadow));
    if (!catalogue) {
        messages.insert(messages.end(), catalogue.error().begin(), catalogue.error().end());
        return;
    }
    auto mirror = std::make_shared<proxy::MirrorPlan>();
    mirror->catalogue = std::move(*catalogue);
    mirror->model = config.text("routing.mirror.model");
    mirror->share_ppm = share_ppm(config.decimal("routing.mirror.share"));
    mirror->in_flight_max = static_cast<uint32_t>(config.integer("routing.mirror.max_in_flight"));
    mirror->body_bytes_max = config.bytes("routing.mirror.max_body");
    if (!mirror->model.empty() && !mirror->match("").known)
        messages.push_back("routing.mirror.model: '" + config::printable(mirror->model) +
                           "' is no model of the provider '" + config::printable(shadow) + "'");
    plan.mirror = std::move(mirror);
}

}  // namespace loom::app
