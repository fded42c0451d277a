startTheme();
startTables();
if (byId("filters")) {
  startCells();
  startPlots();
  startAddress();
}

// Paper opens nothing: what is folded is printed open, and folded again afterwards.
let folded = [];
addEventListener("beforeprint", () => { folded = all("main details:not([open])"); for (const part of folded) part.open = true; });
addEventListener("afterprint", () => { for (const part of folded) part.open = false; });
