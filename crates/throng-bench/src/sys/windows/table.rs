//! Lays out rows of text in columns. Knows nothing of benchmarks.

/// Rows of text under a head: the first column is text, the others are figures.
#[derive(Debug)]
pub(crate) struct Grid {
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub(crate) fn new(head: &[&str]) -> Grid {
        let head = head.iter().map(|&cell| cell.to_owned()).collect();
        Grid { rows: vec![head] }
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        let columns = self.rows[0].len();
        assert_eq!(row.len(), columns, "a row has a cell for each column");
        self.rows.push(row);
    }

    /// Columns as wide as they must be, two blanks apart.
    pub(crate) fn plain(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = format!("{:<width$}", row[0], width = widths[0]);
            for (cell, &width) in row.iter().zip(&widths).skip(1) {
                line.push_str(&format!("  {cell:>width$}"));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_under_each_other() {
        let mut grid = Grid::new(&["who", "ratio"]);
        grid.push(vec!["a".into(), "10.25".into()]);
        grid.push(vec!["longer".into(), "8".into()]);
        let expected = "who     ratio\na       10.25\nlonger      8\n";
        assert_eq!(grid.plain(), expected);
    }
}
