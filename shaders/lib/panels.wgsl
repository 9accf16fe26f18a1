// Matrices in panels of 32 columns, one panel behind another: the columns that a subgroup reads are
// one run of memory, which a CPU fetches ahead. The last panel is as wide as the columns left.

const PANEL: u32 = 8u; // vec4s of a row

// Where four columns of a matrix lie, in vec4s.
struct Panel {
    at: u32,    // of the first row
    width: u32, // from one row to the next
}

fn panel_of(k4: u32, rows: u32, k4s: u32) -> Panel {
    let first = k4 / PANEL * PANEL;
    return Panel(first * rows + k4 % PANEL, min(PANEL, k4s - first));
}
