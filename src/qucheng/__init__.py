"""渠成 Qucheng: a reseller network platform with commission settlement for virtual goods."""
