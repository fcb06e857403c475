#include "loom/tenant/alert.h"

namespace loom::tenant {

std::string_view alert_type_name(AlertType type) noexcept {
    switch (type) {
        case AlertType::budget_share: return "budget.share_reached";
        case AlertType::budget_spent: return "budget.spent";
        case AlertType::budget_refused: return "budget.refused";
        case AlertType::spend_anomaly: return "anomaly.spend";
        case AlertType::client_errors_anomaly: return "anomaly.client_errors";
        case AlertType::provider_errors_anomaly: return "anomaly.provider_errors";
        case AlertType::new_address: return "anomaly.new_address";
        case AlertType::new_model: return "anomaly.new_model";
        case AlertType::unusual_hours: break;
    }
    return "anomaly.unusual_hours";
}

}  // namespace loom::tenant
