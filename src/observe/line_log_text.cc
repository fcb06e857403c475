#include "line_log_text.h"

namespace loom::observe {

void write_line_logs(TextFormat& out, const LineLogFacts& access, const LineLogFacts& audit) {
    out.single("loom_access_log_lines_total", "counter", "Lines of the access log written.", access.written);
    out.single("loom_access_log_dropped_total", "counter", "Lines of the access log lost for want of space.",
               access.dropped);
    out.single("loom_access_log_write_errors_total", "counter",
               "Writes of the access log that failed and were tried again.", access.write_errors);
    out.single("loom_audit_log_lines_total", "counter", "Lines of the audit log written.", audit.written);
    out.single("loom_audit_log_dropped_total", "counter", "Lines of the audit log lost for want of space.",
               audit.dropped);
    out.single("loom_audit_log_write_errors_total", "counter",
               "Writes of the audit log that failed and were tried again.", audit.write_errors);
}

}  // namespace loom::observe
