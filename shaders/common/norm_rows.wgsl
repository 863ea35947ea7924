// Where the statistics and the parameters of a normalisation lie, by the row of a tensor (N, G, K, L): a row is L numbers.
const K = {{ k }}u;
const G = {{ g }}u;
const L = {{ l }}u;
fn statistic(row: u32) -> u32 { return {{ statistic }}; }
{% if per_row %}
fn parameter(row: u32) -> u32 { return {{ parameter }}; }
{% endif %}
{% if eps %}
fn rstd_of(variance: f32) -> f32 { return 1.0 / sqrt(variance + {{ eps }}); }
{% else %}
fn rstd_of(rstd: f32) -> f32 { return rstd; }
{% endif %}
