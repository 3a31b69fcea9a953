//! Lays out rows of text in columns, for a terminal or in Markdown. Knows nothing of benchmarks.

/// Rows of text under a head: the first column is text, the others are figures.
#[derive(Debug)]
pub(crate) struct Grid {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub(crate) fn new(head: &[&str]) -> Grid {
        Grid {
            head: head.iter().map(|&cell| cell.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        assert_eq!(
            row.len(),
            self.head.len(),
            "a row has a cell for each column"
        );
        self.rows.push(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Columns as wide as they must be, two blanks apart.
    pub(crate) fn plain(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells
                .max()
                .unwrap_or(0)
                .max(self.head[column].chars().count())
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let mut text = String::new();
        for row in [&self.head].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    line.push_str(&format!("{cell:<width$}"));
                } else {
                    line.push_str(&format!("  {cell:>width$}"));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("| {} |\n", self.head.join(" | "));
        text.push_str("| :--- |");
        text.push_str(&" ---: |".repeat(self.head.len() - 1));
        text.push('\n');
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::new(&["name", "rate/s"]);
        grid.push(vec!["a|b".into(), "1,234,567".into()]);
        grid.push(vec!["longer".into(), "8".into()]);
        grid
    }

    #[test]
    fn figures_are_aligned_in_columns() {
        let expected = "name       rate/s\na|b     1,234,567\nlonger          8\n";
        assert_eq!(grid().plain(), expected);
    }

    #[test]
    fn markdown_keeps_its_columns() {
        let expected =
            "| name | rate/s |\n| :--- | ---: |\n| a\\|b | 1,234,567 |\n| longer | 8 |\n";
        assert_eq!(grid().markdown(), expected);
    }
}
