"""Where a model comes from: files, factories of torch modules, torchvision, timm."""
