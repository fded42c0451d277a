"""Which sentences of a proposal hold a figure of the field, and which only look as if they did."""

from __future__ import annotations

import pytest

from benchbench.claims.passages import Passage, Text, sentences
from benchbench.claims.uncited import uncited

FIGURES = {
    "The detector reaches an mAP of 0.484.": ["0.484"],
    "It achieves 48.4 % mAP on the validation set.": ["48.4 %"],
    "Our mAP is 48.4 on the customer's data.": ["48.4"],
    "mIoU: 0.71 after quantization.": ["0.71"],
    "The Dice coefficient is 0.93.": ["0.93"],
    "We measured a top-1 accuracy of 76.1 %.": ["76.1 %"],
    "An F1 score of 0.77 was obtained.": ["0.77"],
    "A recall of 0.91 is reached at IoU 0.5.": ["0.91"],
    "The mean IoU of 0.72 is stable.": ["0.72"],
    "AP50 of 0.81 and AP75 of 0.57.": ["0.81", "0.57"],
    "mAP@0.5 is 0.805 in version 2.1.": ["0.805"],
    "The median latency is 12.3 ms.": ["12.3 ms"],
    "Inference takes 0.0123 s per image.": ["0.0123 s per image"],
    "Each frame takes 850 µs.": ["850 µs"],
    "The model runs in 12,3 ms on the CPU.": ["12,3 ms"],
    "Latency is 12-ms typical.": ["12-ms"],
    "It needs 3.2 milliseconds (p. 5).": ["3.2 milliseconds"],
    "The system processes 305 images/s.": ["305 images/s"],
    "We reach 120 fps at 640 × 640 with batch 8.": ["120 fps"],
    "Throughput is 1,234 images per second.": ["1,234 images per second"],
    "It runs at 60 FPS on 2026-11-22.": ["60 FPS"],
    "The network processes 30 frames per second.": ["30 frames per second"],
    "Energy per image is 0.4 J.": ["0.4 J"],
    "It draws 15.2 W on average.": ["15.2 W"],
    "Each inference costs 38 mJ/image.": ["38 mJ/image"],
    "We measured 2.6 images/J.": ["2.6 images/J"],
    "int8 is 2.5 times as fast as fp32.": ["2.5 times"],
    "int8 is 2.5x faster than fp32.": ["2.5x"],
    "A 2.5× speed-up follows.": ["2.5×"],
    "int8 takes 60 % less time than fp32.": ["60 %"],
    "TensorRT 10.9 is 35 % faster than ONNX Runtime 1.20.": ["35 %"],
    "The server serves 6 cameras with one device.": ["6 cameras"],
    "It sustains 350 queries/s within the bound.": ["350 queries/s"],
    "The model size is 1.3 MB after compression.": ["1.3 MB"],
    "Peak memory of the model is 412 MB.": ["412 MB"],
    "The model has 3.2 M parameters.": ["3.2 M parameters"],
    "The model costs 4.1 GMACs per image.": ["4.1 GMACs per image"],
    "The interval of the mAP is [0.453, 0.515].": ["0.453", "0.515"],
    "The pixel accuracy was 0.97 ± 0.01.": ["0.97"],
    "Latency: 3.28 ms (2.8–3.6 ms).": ["3.28 ms", "2.8", "3.6 ms"],
    "Our 2026 model reaches 0.52 mAP, see section 4.2 and Fig. 3.": ["0.52"],
    "Loading takes 2.4 s.": ["2.4 s"],
}
HARMLESS = (
    "The offer is valid until 2026-12-31.",
    "The meeting took place on 22 November 2026 at 17:54.",
    "We installed OpenVINO 2026.4.1 and Python 3.11.",
    "See section 3.2, page 15 and Fig. 4.",
    "As shown in [12] and [3, 4], accuracy matters.",
    "Table 2 lists the accuracy of the 5 classes.",
    "Images have 640 × 640 pixels.",
    "The camera gives 1920x1080 pixels, that is 1080p.",
    "Accuracy was measured at IoU 0.5.",
    "We report mAP@0.5:0.95 as defined by COCO.",
    "The IoU threshold of 0.6 was used for NMS and accuracy.",
    "The confidence threshold is 0.25 for the mAP.",
    "Accuracy was measured with batch size 8.",
    "A batch of 16 was used.",
    "The price is € 1,200 a month.",
    "The device costs 850 EUR.",
    "We annotated 12,000 images for the accuracy test.",
    "The mAP rests on 200 images and 457 objects.",
    "Ten processes and 4 pairs were measured.",
    "The server has 32 GB of RAM and 16 cores.",
    "A 15 W TDP processor is used.",
    "The latency must stay below 20 ms.",
    "The requirement is an mAP of at least 0.45.",
    "The cameras deliver 25 fps.",
    "Video is recorded at 30 fps.",
    "The exposure is 2 ms.",
    "The project takes 18 months and 3 engineers.",
    "Task 4.1 lasts 6 months.",
    "Milestone 3 is due in May 2027.",
    "Version 2.3 improves the accuracy reports.",
    "int8 and fp16 were compared for accuracy.",
    "We trained for 300 epochs with a learning rate of 0.001.",
    "p99 and p50 are percentiles of latency.",
    "The image has 12 megapixels and 8-bit pixels.",
    "ISO 9001 and EN 50126 apply.",
    "Our team of 12 has 30 years of experience.",
    "Write to info@example.org or see https://example.org/p?x=12.5ms about latency.",
    "The budget for power is 40 W.",
    "The timeout of the service is 500 ms.",
    "The accuracy of annotators was checked by 2 people in 2025.",
    "95 % confidence intervals accompany each accuracy.",
    "YOLOv8 and top-5 lists are mentioned with accuracy in Annex 2.",
)


def only(text: str) -> list[str]:
    (sentence,) = sentences(Text((Passage(text, 1),)))
    return [one.text for one in uncited(sentence)]


@pytest.mark.parametrize("text", FIGURES)
def test_a_figure_of_the_field_is_found(text: str) -> None:
    assert only(text) == FIGURES[text]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_figure_is_left_alone(text: str) -> None:
    assert only(text) == []
