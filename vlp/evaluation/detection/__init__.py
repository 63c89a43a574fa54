"""Yes or no of each image: by slice, at a threshold from other data, under attack, and explained."""
